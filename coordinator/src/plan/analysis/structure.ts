// Measures how the exact eigenvectors relate to the factors', and writes the matrices.
import { writeStructureFiles } from '../../merge/structure-files.js';
import { hessianRows, structureNotes, structureRows } from '../../merge/structure-rows.js';
import { type Heuristics, heuristics } from '../heuristic-inputs.js';
import { exactOperator, structureJob } from '../layer-work.js';
import { runStructureStage } from '../structure-stage.js';
import type { AnalysisWork } from './analysis-work.js';
import type { AnalysisStage } from './stage.js';

async function heuristicsOf({ engine, run, findings }: AnalysisWork): Promise<Heuristics> {
  const { model, layers, factorOptions } = run;
  if (findings.hessian === undefined) return { inputs: new Map(), notes: [] };
  return await heuristics(engine, model, layers, factorOptions.loss, findings.hessian);
}

export const structure: AnalysisStage = {
  name: 'structure',
  unit: 'layers',
  total: (work) => (work.measures('structure') ? work.structureJobs.length : 0),

  async run(work, progress) {
    const { engine, run, options, notes, outliers, seen } = work;
    const stage = { top: options.top, outliers };
    const found = await heuristicsOf(work);
    notes.push(...found.notes);
    const jobs = work.structureJobs.map((job) => ({
      ...job,
      heuristic: found.inputs.get(job.layer),
    }));
    await runStructureStage(engine, stage, jobs, progress, seen, async (job, bundle) => {
      const { spectra, files } = work.layer(job.layer);
      const operator = exactOperator(options);
      const layer = { name: job.layer, groups: files.layer.groups, operator };
      spectra.addRows(structureRows(layer, bundle));
      notes.push(...structureNotes(layer, bundle, outliers));
      await writeStructureFiles(files, operator, bundle);
    });
    const again = run.layers.flatMap(({ name }) => {
      const layer = work.layer(name);
      return layer.hessian === undefined ? [] : (structureJob(layer, layer.hessian) ?? []);
    });
    await runStructureStage(engine, stage, again, progress, seen, async (job, bundle) => {
      work.layer(job.layer).spectra.addRows(hessianRows(job.layer, bundle));
    });
  },
};
