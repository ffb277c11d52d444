// Finds the class and cross-class means of all layers, and writes them.
import { writeClassMeans } from '../../merge/class-mean-files.js';
import { classMeanNotes, runClassMeans } from '../class-means-stage.js';
import type { AnalysisStage } from './stage.js';

export const classMeans: AnalysisStage = {
  name: 'classes',
  unit: 'samples',
  total: ({ options, run }) => (options.classMeans ? run.data.samples * run.layers.length : 0),

  async run(work, progress) {
    const { engine, run, passSetting, notes, seen } = work;
    for (const layer of run.layers) {
      const { spectra, files } = work.layer(layer.name);
      const means = await runClassMeans(engine, passSetting, layer, progress, seen);
      spectra.addMeasure('class_mean_share_output', means.gamma.share);
      spectra.addMeasure('class_mean_share_ggn', means.delta?.share ?? null);
      notes.push(...classMeanNotes(layer.name, means));
      await writeClassMeans(files, means);
    }
  },
};
