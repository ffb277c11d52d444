// Decomposes the factors and the exact blocks that were formed, and writes their eigenvectors.
import { exactMasses } from '../../merge/density-rows.js';
import { writeEigenvectors } from '../../merge/factor-files.js';
import { factorName } from '../../merge/layer-factors.js';
import { readEigenpairs, runEigenStage } from '../eigen-stage.js';
import { writeExactVectors } from './exact-eigenvectors.js';
import type { AnalysisStage } from './stage.js';

export const eigenpairs: AnalysisStage = {
  name: 'eigen',
  unit: 'matrices',
  total: ({ matrices }) => matrices.length,

  async run(work, progress) {
    const { engine, matrices, options, seen } = work;
    await runEigenStage(engine, matrices, progress, seen, async (job, bundle) => {
      const pairs = await readEigenpairs(engine, bundle);
      const layer = work.layer(job.layer);
      const { spectra, files } = layer;
      const { operator, group } = job;
      switch (operator) {
        case 'ggn_difference':
          spectra.addDifferenceNorm(
            Math.max(Math.abs(pairs.values[0] ?? 0), Math.abs(pairs.values.at(-1) ?? 0)),
          );
          return;
        case 'ggn': {
          layer.exact = bundle;
          spectra.addExact({ values: pairs.values });
          if (options.density !== undefined) layer.density = exactMasses(pairs.values);
          const count = Math.min(options.top, pairs.values.length);
          const vectors = pairs.vectors.subarray(0, count * pairs.values.length);
          await writeExactVectors(layer, options, count, vectors);
          return;
        }
        default:
          layer.eigenpairs.set(factorName(operator, group), bundle);
          spectra.add(group, operator, pairs);
          if (operator !== 'mean_gram' && work.measures('eigen'))
            await writeEigenvectors(files, group, operator, pairs);
      }
    });
  },
};
