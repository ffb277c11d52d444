// From merged sums to files: factors of one layer at a time, then eigenpairs, then the tables.
import { join } from 'node:path';
import {
  decodeBundle,
  encodeTable,
  LAYERS,
  layerFileNames,
  SPECTRA,
  STRUCTURE,
  type TaskResult,
  writeFileAtomic,
} from '@kronlens/proto';
import { type LayerFiles, writeEigenvectors, writeFactorFiles } from '../merge/factor-files.js';
import {
  encodeLayerFactors,
  factorName,
  type LayerFactors,
  layerFactors,
  totalOf,
} from '../merge/layer-factors.js';
import { LayerSpectra } from '../merge/layer-spectra.js';
import { layerRows } from '../merge/layer-table.js';
import { evaluateMeanGrams } from '../merge/mean-gram.js';
import { type FactorPlan, planMeanGram } from '../programs/index.js';
import { type EigenJob, runEigenStage } from './eigen-stage.js';
import type { Engine } from './engine.js';
import type { MergedSums } from './factor-stage.js';
import type { AnalysisOptions } from './options.js';
import type { PreparedRun } from './prepare-run.js';
import type { StageProgress } from './stage-progress.js';

/** A layer on its way to its files. */
interface LayerWork {
  readonly files: LayerFiles;
  readonly spectra: LayerSpectra;
}

export class ResultWriter {
  readonly #engine: Engine;
  readonly #run: PreparedRun;
  readonly #options: AnalysisOptions;
  readonly #folder: string;
  readonly #work = new Map<string, LayerWork>();
  readonly #jobs: EigenJob[] = [];
  #loss: number | null = null;
  #accuracy: number | null = null;

  constructor(engine: Engine, run: PreparedRun, options: AnalysisOptions, folder: string) {
    this.#engine = engine;
    this.#run = run;
    this.#options = options;
    this.#folder = folder;
  }

  #measures(measure: AnalysisOptions['measures'][number]): boolean {
    return this.#options.measures.includes(measure);
  }

  /** Writes the factors and lays the matrices to decompose by; one program's sums are in memory. */
  async writeFactors(merged: readonly MergedSums[], folds: FactorPlan['folds']): Promise<void> {
    const { layers, model, data, factorOptions } = this.#run;
    const named = [...model.layers.layers, ...model.layers.skipped].map(({ name }) => name);
    const stems = layerFileNames([...new Set(named)]);
    for (const { layers: names, outputs, bundle } of merged) {
      const sums = decodeBundle(await this.#engine.store.get(bundle));
      this.#loss ??= meanOf(totalOf(sums, outputs, 'loss'), data.samples);
      this.#accuracy ??= meanOf(totalOf(sums, outputs, 'correct'), data.samples);
      for (const layer of layers.filter(({ name }) => names.includes(name))) {
        const stem = stems.get(layer.name) ?? layer.name;
        const files = { folder: this.#folder, layer, stem, options: factorOptions };
        const factors = layerFactors(layer, sums, outputs, data.samples, folds.get(layer.name));
        if (this.#measures('factors')) await writeFactorFiles(files, factors);
        await this.#layBy(files, factors);
      }
    }
  }

  async #layBy(files: LayerFiles, factors: LayerFactors): Promise<void> {
    const { layer, options } = files;
    const { model } = this.#run;
    const [eigen, structure] = [this.#measures('eigen'), this.#measures('structure')];
    const gram =
      structure && factors.meanMaps.length > 0
        ? await planMeanGram(model, layer, options)
        : undefined;
    const means = factors.groups.map(({ mean }) => (gram === undefined ? mean.values : undefined));
    this.#work.set(layer.name, { files, spectra: new LayerSpectra(layer, means) });
    if (!eigen && !structure) return;
    const meanGrams =
      gram === undefined
        ? []
        : await evaluateMeanGrams(gram, factors.meanMaps, this.#engine.evaluator);
    const bundle = await this.#engine.store.put(encodeLayerFactors(factors, meanGrams));
    for (const [group, { input, output }] of factors.groups.entries()) {
      const add = (operator: EigenJob['operator'], size = 0) => {
        const tensor = factorName(operator, group);
        this.#jobs.push({ layer: layer.name, group, operator, bundle, tensor, size });
      };
      add('input', input.shape[0]);
      if (eigen) add('output', output.shape[0]);
      if (meanGrams.length > 0) add('mean_gram', meanGrams[group]?.shape[0]);
    }
  }

  /** Matrices that wait for their decomposition. */
  get matrices(): number {
    return this.#jobs.length;
  }

  /** Decomposes the factors and writes their eigenvectors. */
  async writeEigenpairs(
    progress: StageProgress,
    seen: (result: TaskResult) => void,
  ): Promise<void> {
    await runEigenStage(this.#engine, this.#jobs, progress, seen, async (job, pairs) => {
      const work = this.#work.get(job.layer);
      if (work === undefined) throw new Error(`layer '${job.layer}' has no factors`);
      work.spectra.add(job.group, job.operator, pairs);
      if (job.operator !== 'mean_gram' && this.#measures('eigen'))
        await writeEigenvectors(work.files, job.group, job.operator, pairs);
    });
  }

  /** Writes layers.arrow, spectra.arrow and structure.arrow. */
  async writeTables(): Promise<void> {
    const { layers } = this.#run;
    const write = (name: string, bytes: Uint8Array) =>
      writeFileAtomic(join(this.#folder, `${name}.arrow`), bytes);
    await write(LAYERS.name, encodeTable(LAYERS, layerRows(layers)));
    const spectra = this.#spectra();
    if (this.#measures('eigen')) {
      const rows = spectra.flatMap((layer) => layer.spectrumRows(this.#options.top));
      await write(SPECTRA.name, encodeTable(SPECTRA, rows));
    }
    if (this.#measures('structure')) {
      const rows = spectra.flatMap((layer) => layer.structureRows());
      await write(STRUCTURE.name, encodeTable(STRUCTURE, rows));
    }
  }

  /** In the order of the model's layers. */
  #spectra(): readonly LayerSpectra[] {
    return this.#run.layers.flatMap(({ name }) => this.#work.get(name)?.spectra ?? []);
  }

  /** What goes into run.json and the summary. */
  findings() {
    return {
      loss: this.#loss,
      accuracy: this.#accuracy,
      layers: this.#spectra().map((layer) => layer.summary()),
    };
  }
}

function meanOf(sum: number | undefined, samples: number): number | null {
  return sum === undefined ? null : sum / samples;
}
