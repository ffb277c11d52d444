// Estimates the norms of the blocks between layers and writes cross.arrow.
import { join } from 'node:path';
import { CROSS, encodeTable, writeFileAtomic } from '@kronlens/proto';
import { isEmbedding } from '../../layers/index.js';
import { runCrossStage } from '../cross-stage.js';
import { secondOrders } from '../layer-work.js';
import type { AnalysisStage } from './stage.js';

export const cross: AnalysisStage = {
  name: 'cross',
  unit: 'operators',
  total: ({ options }) => (options.cross ? secondOrders(options).length : 0),

  async run({ engine, run, options, blockStage, folder, seen }, progress) {
    const layers = run.layers.filter((layer) => !isEmbedding(layer));
    const operators = secondOrders(options);
    const rows = await runCrossStage(
      engine,
      blockStage,
      layers,
      run.factorOptions,
      operators,
      progress,
      seen,
    );
    await writeFileAtomic(join(folder, `${CROSS.name}.arrow`), encodeTable(CROSS, rows));
  },
};
