// All layers together: sums their stacked output Hessian, then finds eigenpairs, exact and approximate.
import { fullNotes, writeFullFiles } from '../../merge/full-hessian-results.js';
import { runFullHessian, stackOutputs } from '../full-hessian-stage.js';
import type { AnalysisStage } from './stage.js';

export const stackedOutputs: AnalysisStage = {
  name: 'stack',
  unit: 'samples',
  total: ({ options, run }) => (options.fullHessian ? run.data.samples : 0),

  async run(work, progress) {
    const { engine, run, passSetting, seen } = work;
    work.stacked = await stackOutputs(engine, passSetting, run.layers, progress, seen);
  },
};

export const fullHessian: AnalysisStage = {
  name: 'full',
  unit: 'matrices',
  total: ({ stacked }) => (stacked === undefined ? 0 : 1),

  async run(work, progress) {
    const { engine, run, options, passSetting, stacked, folder, seen } = work;
    if (stacked === undefined) return;
    const { layers } = run;
    const full = await runFullHessian(
      engine,
      passSetting,
      layers,
      stacked,
      options,
      progress,
      seen,
    );
    await writeFullFiles(folder, full);
    work.notes.push(...fullNotes(full, work.outliers));
    work.full = full;
  },
};
