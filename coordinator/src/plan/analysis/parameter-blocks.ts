// Measures the blocks of parameters that were asked for.
import type { AnalysisStage } from './stage.js';

export const parameterBlocks: AnalysisStage = {
  name: 'blocks',
  unit: 'blocks',
  total: (work) => work.parameterBlocks.count,

  async run({ engine, blockStage, stems, parameterBlocks: blocks, seen }, progress) {
    await blocks.measure(engine, blockStage, stems, progress, seen);
  },
};
