// Finds the top eigenpairs of the exact blocks that were not formed, and writes their eigenvectors.
import { runCurvatureStage } from '../curvature-stage.js';
import { takeTopEigenpairs } from '../layer-work.js';
import { writeExactVectors } from './exact-eigenvectors.js';
import type { AnalysisStage } from './stage.js';

export const curvature: AnalysisStage = {
  name: 'curvature',
  unit: 'layers',
  total: ({ blocks }) => blocks.length,

  async run(work, progress) {
    const { engine, blocks, options, density, seen } = work;
    const { top, tolerance } = options;
    const stage = { ...work.passSetting, top, tolerance, density };
    await runCurvatureStage(engine, stage, blocks, progress, seen, async (job, pairs) => {
      const layer = work.layer(job.layer.name);
      takeTopEigenpairs(layer, pairs);
      await writeExactVectors(layer, options, pairs.values.length, pairs.vectors);
    });
  },
};
