// Finds the diagonals of the exact blocks in the Kronecker eigenbases, layer by layer.
import { runEkfac } from '../ekfac-stage.js';
import type { AnalysisStage } from './stage.js';

export const ekfac: AnalysisStage = {
  name: 'ekfac',
  unit: 'samples',
  total: ({ options, run, structureJobs }) =>
    options.ekfac ? run.data.samples * structureJobs.length : 0,

  async run(work, progress) {
    const { engine, passSetting, seen } = work;
    for (const { layer: name, groups } of work.structureJobs) {
      const { spectra, files } = work.layer(name);
      const job = { layer: files.layer, groups };
      spectra.addEkfac(await runEkfac(engine, passSetting, job, progress, seen));
    }
  },
};
