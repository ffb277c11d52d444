// From merged sums to files: factors of one layer at a time, then eigenpairs, then the tables.
import { join } from 'node:path';
import {
  CROSS,
  DENSITY,
  decodeBundle,
  encodeTable,
  LAYERS,
  layerFileNames,
  SPECTRA,
  STRUCTURE,
  type TaskResult,
  writeFileAtomic,
} from '@kronlens/proto';
import { isEmbedding, type Layer } from '../layers/index.js';
import { writeClassMeans } from '../merge/class-mean-files.js';
import { densityRows, exactMasses } from '../merge/density-rows.js';
import {
  type LayerFiles,
  writeEigenvectors,
  writeExactEigenvectors,
  writeFactorFiles,
} from '../merge/factor-files.js';
import {
  fullNotes,
  fullSpectrumRows,
  fullStructureRows,
  fullSummary,
  writeFullFiles,
} from '../merge/full-hessian-results.js';
import { packedFrobenius } from '../merge/kronecker-difference.js';
import {
  type ExactBlock,
  encodeLayerFactors,
  factorName,
  type LayerFactors,
  layerFactors,
  meanMatrix,
  totalOf,
} from '../merge/layer-factors.js';
import { LayerSpectra } from '../merge/layer-spectra.js';
import { layerRows } from '../merge/layer-table.js';
import { evaluateMeanGrams } from '../merge/mean-gram.js';
import { writeStructureFiles } from '../merge/structure-files.js';
import { hessianRows, structureNotes, structureRows } from '../merge/structure-rows.js';
import {
  blockDim,
  type FactorPlan,
  layerProduct,
  lossRank,
  planMeanGram,
} from '../programs/index.js';
import { type BlockJob, type BlockStage, runBlockStage } from './block-stage.js';
import { classMeanNotes, runClassMeans } from './class-means-stage.js';
import { runCrossStage } from './cross-stage.js';
import { type CurvatureJob, type CurvatureStage, runCurvatureStage } from './curvature-stage.js';
import { type EigenJob, runEigenStage } from './eigen-stage.js';
import { runEkfac } from './ekfac-stage.js';
import type { Engine } from './engine.js';
import type { MergedSums } from './factor-stage.js';
import {
  type FullHessian,
  runFullHessian,
  type StackedMeans,
  stackOutputs,
} from './full-hessian-stage.js';
import { type Heuristics, heuristics } from './heuristic-inputs.js';
import type { PassSetting } from './layer-pass.js';
import {
  exactOperator,
  type LayerWork,
  secondOrders,
  structureJob,
  takeHessian,
  takeTopEigenpairs,
} from './layer-work.js';
import type { AnalysisOptions } from './options.js';
import { ParameterBlocks } from './parameter-blocks.js';
import type { PreparedRun } from './prepare-run.js';
import type { StageProgress } from './stage-progress.js';
import { runStructureStage, type StructureJob } from './structure-stage.js';

export class ResultWriter {
  readonly #engine: Engine;
  readonly #run: PreparedRun;
  readonly #options: AnalysisOptions;
  readonly #folder: string;
  readonly #work = new Map<string, LayerWork>();
  readonly #jobs: EigenJob[] = [];
  readonly #blocks: CurvatureJob[] = [];
  readonly #notes: string[] = [];
  readonly #parameterBlocks: ParameterBlocks;
  #loss: number | null = null;
  #accuracy: number | null = null;
  /** E[A], packed. */
  #lossHessian: Float64Array | undefined;
  /** Of all layers together, where it was asked for. */
  #full: FullHessian | undefined;
  #tokens: number | undefined;

  constructor(engine: Engine, run: PreparedRun, options: AnalysisOptions, folder: string) {
    this.#engine = engine;
    this.#run = run;
    this.#options = options;
    this.#folder = folder;
    this.#parameterBlocks = new ParameterBlocks(run, options, folder);
  }

  /** File names of layers and blocks by their names. */
  get #stems(): ReadonlyMap<string, string> {
    const { layers, skipped } = this.#run.model.layers;
    const names = [...layers, ...skipped, ...this.#run.blocks].map(({ name }) => name);
    return layerFileNames([...new Set(names)]);
  }

  /** Rank of the loss's Hessian in the logits: the outliers that are expected. */
  get #outliers(): number {
    const { model, factorOptions } = this.#run;
    return lossRank(factorOptions.loss, model.logits.outputs);
  }

  #measures(measure: AnalysisOptions['measures'][number]): boolean {
    return this.#options.measures.includes(measure);
  }

  /** Writes the factors and lays the matrices to decompose by; one program's sums are in memory. */
  async writeFactors(
    merged: readonly MergedSums[],
    folds: FactorPlan['folds'],
    refine: (layer: Layer, factors: LayerFactors) => Promise<LayerFactors>,
  ): Promise<void> {
    const { layers, data, factorOptions } = this.#run;
    const stems = this.#stems;
    for (const { layers: names, outputs, bundle } of merged) {
      const sums = decodeBundle(await this.#engine.store.get(bundle));
      this.#loss ??= meanOf(totalOf(sums, outputs, 'loss'), data.samples);
      this.#tokens ??= totalOf(sums, outputs, 'tokens');
      const answers = this.#tokens ?? data.samples;
      this.#accuracy ??= answers === 0 ? null : meanOf(totalOf(sums, outputs, 'correct'), answers);
      this.#lossHessian ??= meanMatrix(sums, outputs, 'loss_hessian', data.samples);
      for (const layer of layers.filter(({ name }) => names.includes(name))) {
        const stem = stems.get(layer.name) ?? layer.name;
        const files = { folder: this.#folder, layer, stem, options: factorOptions };
        const plain = layerFactors(layer, sums, outputs, data.samples, folds.get(layer.name));
        const factors = isEmbedding(layer) ? plain : await refine(layer, plain);
        if (this.#measures('factors')) await writeFactorFiles(files, factors);
        await this.#layBy(files, factors);
      }
    }
  }

  async #layBy(files: LayerFiles, factors: LayerFactors): Promise<void> {
    const { layer, options } = files;
    const { model } = this.#run;
    const [eigen, structure] = [this.#measures('eigen'), this.#measures('structure')];
    const exact = this.#measures('curvature');
    const gram =
      structure && factors.meanMaps.length > 0
        ? await planMeanGram(model, layer, options)
        : undefined;
    const means = factors.groups.map(({ mean }) => (gram === undefined ? mean.values : undefined));
    this.#work.set(layer.name, {
      files,
      spectra: new LayerSpectra(layer, means),
      eigenpairs: new Map(),
    });
    if (!eigen && !structure && !exact && !this.#options.ekfac) return;
    const meanGrams =
      gram === undefined
        ? []
        : await evaluateMeanGrams(gram, factors.meanMaps, this.#engine.evaluator);
    const bundle = await this.#engine.store.put(encodeLayerFactors(factors, meanGrams));
    const work = this.#workOf(layer.name);
    work.factors = bundle;
    if (isEmbedding(layer) && (exact || structure || this.#options.ekfac))
      this.#notes.push(
        `layer '${layer.name}' is an embedding: its factors are measured, its exact block is not`,
      );
    for (const [group, { input, output }] of factors.groups.entries()) {
      const add = (operator: EigenJob['operator'], size = 0) => {
        const tensor = factorName(operator, group);
        this.#jobs.push({ layer: layer.name, group, operator, bundle, tensor, size });
      };
      if (isEmbedding(layer)) work.spectra.addDiagonalInput(group, input.values);
      else add('input', input.shape[0]);
      add('output', output.shape[0]);
      if (meanGrams.length > 0) add('mean_gram', meanGrams[group]?.shape[0]);
    }
    if (factors.exact !== undefined) this.#layByExact(files, bundle, factors.exact);
  }

  /** The exact block: decomposed whole where it was formed, else by products with vectors. */
  #layByExact(
    { layer }: LayerFiles,
    bundle: string,
    { trace, dense, difference }: ExactBlock,
  ): void {
    const { spectra } = this.#workOf(layer.name);
    spectra.addMeasure('trace', trace);
    if (dense === undefined || difference === undefined) {
      this.#blocks.push({ layer, factors: bundle });
      return;
    }
    const norm = packedFrobenius(dense);
    spectra.addFrobeniusNorm(norm);
    spectra.addMeasure(
      'decoupling_error_frobenius',
      norm === 0 ? null : packedFrobenius(difference) / norm,
    );
    for (const operator of ['ggn', 'ggn_difference'] as const) {
      const size = dense.shape[0] ?? 0;
      this.#jobs.push({ layer: layer.name, group: 0, operator, bundle, tensor: operator, size });
    }
  }

  #workOf(layer: string): LayerWork {
    const work = this.#work.get(layer);
    if (work === undefined) throw new Error(`layer '${layer}' has no factors`);
    return work;
  }

  /** Matrices that wait for their decomposition. */
  get matrices(): number {
    return this.#jobs.length;
  }

  /** Layers whose exact blocks wait for their top eigenpairs. */
  get blocks(): number {
    return this.#blocks.length;
  }

  /** Decomposes the factors and small exact blocks, and writes their eigenvectors. */
  async writeEigenpairs(
    progress: StageProgress,
    seen: (result: TaskResult) => void,
  ): Promise<void> {
    await runEigenStage(this.#engine, this.#jobs, progress, seen, async (job, pairs, bundle) => {
      const work = this.#workOf(job.layer);
      const { spectra, files } = work;
      const { operator, group } = job;
      switch (operator) {
        case 'ggn_difference':
          spectra.addDifferenceNorm(
            Math.max(Math.abs(pairs.values[0] ?? 0), Math.abs(pairs.values.at(-1) ?? 0)),
          );
          return;
        case 'ggn': {
          work.exact = bundle;
          spectra.addExact({ values: pairs.values });
          if (this.#options.density !== undefined) work.density = exactMasses(pairs.values);
          const count = Math.min(this.#options.top, pairs.values.length);
          const vectors = pairs.vectors.subarray(0, count * pairs.values.length);
          await this.#writeExactVectors(work, count, vectors);
          return;
        }
        default:
          work.eigenpairs.set(factorName(operator, group), bundle);
          spectra.add(group, operator, pairs);
          if (operator !== 'mean_gram' && this.#measures('eigen'))
            await writeEigenvectors(files, group, operator, pairs);
      }
    });
  }

  /** The exact block's eigenvectors, and where it is that the Hessian's too. */
  async #writeExactVectors(work: LayerWork, count: number, vectors: Float64Array): Promise<void> {
    const { files, spectra } = work;
    await writeExactEigenvectors(files, exactOperator(this.#options), count, vectors);
    if (this.#options.curvature !== 'hessian' || !files.layer.piecewiseLinear) return;
    spectra.addHessian();
    await writeExactEigenvectors(files, 'hessian', count, vectors);
  }

  /** Finds the top eigenpairs of the larger exact blocks, and writes their eigenvectors. */
  async writeCurvature(progress: StageProgress, seen: (result: TaskResult) => void): Promise<void> {
    const { model, data, factorOptions } = this.#run;
    const { batch, memoryBytes, seed, top, tolerance } = this.#options;
    const stage = {
      model,
      options: factorOptions,
      run: { samples: data.samples, batch, memoryBytes },
      arrays: data.arrays,
      seed,
      top,
      tolerance,
      density: this.#density,
    };
    await runCurvatureStage(
      this.#engine,
      stage,
      this.#blocks,
      progress,
      seen,
      async (job, pairs) => {
        const work = this.#workOf(job.layer.name);
        takeTopEigenpairs(work, pairs);
        await this.#writeExactVectors(work, pairs.values.length, pairs.vectors);
      },
    );
  }

  get #density(): CurvatureStage['density'] {
    const { density, probes } = this.#options;
    return density === undefined ? undefined : { steps: density, probes };
  }

  /** Layers whose Hessian is wanted and is not their Gauss-Newton block. */
  get hessians(): number {
    return this.#hessianJobs().length;
  }

  #hessianJobs(): readonly (BlockJob & { readonly work: LayerWork })[] {
    if (this.#options.curvature !== 'hessian') return [];
    const { layers, factorOptions } = this.#run;
    return layers
      .filter((layer) => !layer.piecewiseLinear && !isEmbedding(layer))
      .map((layer) => {
        const work = this.#workOf(layer.name);
        const { factors } = work;
        return {
          work,
          product: layerProduct('hessian', layer, factorOptions),
          dim: blockDim(layer, factorOptions),
          kronecker: factors === undefined ? undefined : { factors, groups: layer.groups },
        };
      });
  }

  /** Finds eigenpairs of the Hessian's blocks; those of piecewise linear layers are known already. */
  async writeHessians(progress: StageProgress, seen: (result: TaskResult) => void): Promise<void> {
    const { which } = this.#options;
    const stage = this.#blockStage;
    const jobs = this.#hessianJobs();
    await runBlockStage(this.#engine, stage, jobs, progress, seen, async ({ work }, pairs) => {
      takeHessian(work, pairs, which);
      if (stage.density !== undefined && pairs.spectrum !== undefined)
        work.hessianDensity = exactMasses(pairs.spectrum);
      await writeExactEigenvectors(work.files, 'hessian', pairs.values.length, pairs.vectors);
    });
  }

  get #blockStage(): BlockStage {
    const { model, data } = this.#run;
    const { batch, memoryBytes } = this.#options;
    const run = { samples: data.samples, batch, memoryBytes };
    return { model, run, arrays: data.arrays, options: this.#options, density: this.#density };
  }

  /** Blocks of parameters, once for each operator. */
  get parameterBlocks(): number {
    return this.#parameterBlocks.count;
  }

  /** Measures the blocks of parameters. */
  async writeParameterBlocks(
    progress: StageProgress,
    seen: (result: TaskResult) => void,
  ): Promise<void> {
    const stage = this.#blockStage;
    await this.#parameterBlocks.measure(this.#engine, stage, this.#stems, progress, seen);
  }

  /** Operators whose blocks between layers are wanted. */
  get crossings(): number {
    return this.#options.cross ? secondOrders(this.#options).length : 0;
  }

  /** Estimates the norms of the blocks between layers and writes cross.arrow. */
  async writeCross(progress: StageProgress, seen: (result: TaskResult) => void): Promise<void> {
    const { factorOptions } = this.#run;
    const layers = this.#run.layers.filter((layer) => !isEmbedding(layer));
    const rows = await runCrossStage(
      this.#engine,
      this.#blockStage,
      layers,
      factorOptions,
      secondOrders(this.#options),
      progress,
      seen,
    );
    await writeFileAtomic(join(this.#folder, `${CROSS.name}.arrow`), encodeTable(CROSS, rows));
  }

  /** Layers whose EKFAC diagonal is wanted and can be found: both factors are decomposed. */
  get diagonals(): number {
    return this.#options.ekfac ? this.#structureJobs().length : 0;
  }

  /** What further passes over the data have in common. */
  passSetting(shard: number | undefined): PassSetting {
    const { model, data, factorOptions } = this.#run;
    const { batch, memoryBytes, seed } = this.#options;
    const run = { samples: data.samples, batch, memoryBytes };
    return { model, options: factorOptions, run, arrays: data.arrays, seed, shard };
  }

  /** Finds the diagonals of the exact blocks in the Kronecker eigenbases, layer by layer. */
  async findDiagonals(
    shard: number | undefined,
    progress: StageProgress,
    seen: (result: TaskResult) => void,
  ): Promise<void> {
    const setting = this.passSetting(shard);
    for (const { layer: name, groups } of this.#structureJobs()) {
      const { spectra, files } = this.#workOf(name);
      const job = { layer: files.layer, groups };
      spectra.addEkfac(await runEkfac(this.#engine, setting, job, progress, seen));
    }
  }

  /** Layers whose structure can be measured: both factors are decomposed. */
  get structures(): number {
    return this.#measures('structure') ? this.#structureJobs().length : 0;
  }

  #structureJobs(): readonly StructureJob[] {
    return this.#run.layers.flatMap(({ name }) => structureJob(this.#workOf(name)) ?? []);
  }

  async #heuristics(): Promise<Heuristics> {
    const { model, layers, factorOptions } = this.#run;
    if (this.#lossHessian === undefined) return { inputs: new Map(), notes: [] };
    return await heuristics(this.#engine, model, layers, factorOptions.loss, this.#lossHessian);
  }

  /** Measures how the exact eigenvectors relate to the factors', and writes the matrices. */
  async writeStructure(progress: StageProgress, seen: (result: TaskResult) => void): Promise<void> {
    const stage = { top: this.#options.top, outliers: this.#outliers };
    const { inputs, notes } = await this.#heuristics();
    this.#notes.push(...notes);
    const jobs = this.#structureJobs().map((job) => ({
      ...job,
      heuristic: inputs.get(job.layer),
    }));
    await runStructureStage(this.#engine, stage, jobs, progress, seen, async (job, bundle) => {
      const { spectra, files } = this.#workOf(job.layer);
      const operator = exactOperator(this.#options);
      const layer = { name: job.layer, groups: files.layer.groups, operator };
      spectra.addRows(structureRows(layer, bundle));
      this.#notes.push(...structureNotes(layer, bundle, stage.outliers));
      await writeStructureFiles(files, operator, bundle);
    });
    const again = this.#run.layers.flatMap(({ name }) => {
      const work = this.#workOf(name);
      return work.hessian === undefined ? [] : (structureJob(work, work.hessian) ?? []);
    });
    await runStructureStage(this.#engine, stage, again, progress, seen, async (job, bundle) => {
      this.#workOf(job.layer).spectra.addRows(hessianRows(job.layer, bundle));
    });
  }

  /** Finds the class and cross-class means of all layers, and writes them. */
  async writeClassMeans(
    shard: number | undefined,
    progress: StageProgress,
    seen: (result: TaskResult) => void,
  ): Promise<void> {
    const setting = this.passSetting(shard);
    for (const layer of this.#run.layers) {
      const { spectra, files } = this.#workOf(layer.name);
      const means = await runClassMeans(this.#engine, setting, layer, progress, seen);
      spectra.addMeasure('class_mean_share_output', means.gamma.share);
      spectra.addMeasure('class_mean_share_ggn', means.delta?.share ?? null);
      this.#notes.push(...classMeanNotes(layer.name, means));
      await writeClassMeans(files, means);
    }
  }

  /** Sums the stacked output Hessian of all layers. */
  async stackOutputs(
    shard: number | undefined,
    progress: StageProgress,
    seen: (result: TaskResult) => void,
  ): Promise<StackedMeans> {
    const setting = this.passSetting(shard);
    return await stackOutputs(this.#engine, setting, this.#run.layers, progress, seen);
  }

  /** Finds the eigenpairs of all layers together, exact and approximate, and writes them. */
  async writeFullHessian(
    means: StackedMeans,
    during: (work: (shown: StageProgress) => Promise<FullHessian>) => Promise<FullHessian>,
    seen: (result: TaskResult) => void,
  ): Promise<void> {
    const setting = this.passSetting(undefined);
    const { layers } = this.#run;
    const full = await during((shown) =>
      runFullHessian(this.#engine, setting, layers, means, this.#options, shown, seen),
    );
    await writeFullFiles(this.#folder, full);
    this.#notes.push(...fullNotes(full, this.#outliers));
    this.#full = full;
  }

  /** Writes layers.arrow and what was measured of spectra.arrow, structure.arrow, density.arrow. */
  async writeTables(): Promise<void> {
    const { layers } = this.#run;
    const write = (name: string, bytes: Uint8Array) =>
      writeFileAtomic(join(this.#folder, `${name}.arrow`), bytes);
    await write(LAYERS.name, encodeTable(LAYERS, layerRows(layers)));
    const spectra = this.#spectra();
    const blocks = this.#parameterBlocks;
    await blocks.writeTable();
    const full = this.#full;
    const curvature = this.#measures('curvature') || blocks.count > 0 || full !== undefined;
    const structure = this.#measures('structure') || this.#options.classMeans;
    if (this.#measures('eigen') || curvature || this.#options.ekfac) {
      const { top } = this.#options;
      const ofLayers = spectra.flatMap((layer) =>
        layer.spectrumRows(top, exactOperator(this.#options)),
      );
      const ofAll = full === undefined ? [] : fullSpectrumRows(full, top);
      const rows = [...ofLayers, ...blocks.spectrumRows(), ...ofAll];
      await write(SPECTRA.name, encodeTable(SPECTRA, rows));
    }
    if (structure || curvature) {
      const ofLayers = spectra.flatMap((layer) => layer.structureRows());
      const ofAll = full === undefined ? [] : fullStructureRows(full);
      const rows = [...ofLayers, ...blocks.structureRows(), ...ofAll];
      await write(STRUCTURE.name, encodeTable(STRUCTURE, rows));
    }
    if (this.#options.density !== undefined) {
      const operator = exactOperator(this.#options);
      const rows = layers.flatMap(({ name, piecewiseLinear }) => {
        const { density = [], hessianDensity } = this.#workOf(name);
        const own = piecewiseLinear ? density : hessianDensity;
        const hessian = this.#options.curvature === 'hessian' ? (own ?? []) : [];
        return [...densityRows(name, operator, density), ...densityRows(name, 'hessian', hessian)];
      });
      await write(DENSITY.name, encodeTable(DENSITY, [...rows, ...blocks.densityRows()]));
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
      layers: this.#spectra().map((layer) => layer.summary(this.#outliers)),
      fullHessian: this.#full === undefined ? null : fullSummary(this.#full, this.#outliers),
      notes: this.#notes,
      ...(this.#tokens === undefined ? {} : { countedTokens: this.#tokens }),
    };
  }
}

function meanOf(sum: number | undefined, samples: number): number | null {
  return sum === undefined ? null : sum / samples;
}
