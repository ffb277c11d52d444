// What an analysis has on its way from sums to files: the run, its layers so far, and what remains to be said.
import type { TaskResult } from '@kronlens/proto';
import { layerFileNames } from '@kronlens/proto';
import type { LayerSpectra } from '../../merge/layer-spectra.js';
import { lossRank } from '../../programs/index.js';
import type { BlockStage } from '../block-stage.js';
import type { CurvatureJob, CurvatureStage } from '../curvature-stage.js';
import type { EigenJob } from '../eigen-stage.js';
import type { Engine } from '../engine.js';
import type { FullHessian, StackedMeans } from '../full-hessian-stage.js';
import type { PassSetting } from '../layer-pass.js';
import { type LayerWork, structureJob } from '../layer-work.js';
import type { AnalysisOptions } from '../options.js';
import { ParameterBlocks } from '../parameter-blocks.js';
import type { PreparedRun } from '../prepare-run.js';
import type { StructureJob } from '../structure-stage.js';

/** Of the logits, from the pass that sums the factors. */
export interface LossFindings {
  /** Means over the samples, the accuracy over what counts. */
  loss: number | null;
  accuracy: number | null;
  /** E[A], packed. */
  hessian?: Float64Array;
  /** Tokens that count, of language models. */
  tokens?: number;
}

export interface AnalysisSetting {
  readonly engine: Engine;
  readonly run: PreparedRun;
  readonly options: AnalysisOptions;
  readonly folder: string;
  /** Samples in one task as the user asked. */
  readonly shard: number | undefined;
  /** Is told of every result, recorded ones included. */
  readonly seen: (result: TaskResult) => void;
}

/** Stages take from it what earlier ones found, and leave in it what they find. */
export class AnalysisWork {
  readonly engine: Engine;
  readonly run: PreparedRun;
  readonly options: AnalysisOptions;
  readonly folder: string;
  readonly shard: number | undefined;
  readonly seen: (result: TaskResult) => void;
  /** By name. */
  readonly layers = new Map<string, LayerWork>();
  /** Matrices that wait for their decomposition. */
  readonly matrices: EigenJob[] = [];
  /** Layers whose exact blocks wait for their top eigenpairs. */
  readonly blocks: CurvatureJob[] = [];
  /** For run.json and the summary. */
  readonly notes: string[] = [];
  readonly findings: LossFindings = { loss: null, accuracy: null };
  readonly parameterBlocks: ParameterBlocks;
  /** Of all layers together, where it was asked for. */
  stacked?: StackedMeans;
  full?: FullHessian;

  constructor({ engine, run, options, folder, shard, seen }: AnalysisSetting) {
    this.engine = engine;
    this.run = run;
    this.options = options;
    this.folder = folder;
    this.shard = shard;
    this.seen = seen;
    this.parameterBlocks = new ParameterBlocks(run, options, folder);
  }

  /** File names of layers and blocks by their names. */
  get stems(): ReadonlyMap<string, string> {
    const { layers, skipped } = this.run.model.layers;
    const names = [...layers, ...skipped, ...this.run.blocks].map(({ name }) => name);
    return layerFileNames([...new Set(names)]);
  }

  /** Rank of the loss's Hessian in the logits: the outliers that are expected. */
  get outliers(): number {
    const { model, factorOptions } = this.run;
    return lossRank(factorOptions.loss, model.logits.outputs);
  }

  measures(measure: AnalysisOptions['measures'][number]): boolean {
    return this.options.measures.includes(measure);
  }

  layer(name: string): LayerWork {
    const work = this.layers.get(name);
    if (work === undefined) throw new Error(`layer '${name}' has no factors`);
    return work;
  }

  /** In the order of the model's layers. */
  get spectra(): readonly LayerSpectra[] {
    return this.run.layers.flatMap(({ name }) => this.layers.get(name)?.spectra ?? []);
  }

  /** Layers both of whose factors are decomposed. */
  get structureJobs(): readonly StructureJob[] {
    return this.run.layers.flatMap(({ name }) => structureJob(this.layer(name)) ?? []);
  }

  /** What further passes over the data have in common. */
  get passSetting(): PassSetting {
    const { model, data, factorOptions } = this.run;
    const { batch, memoryBytes, seed } = this.options;
    const run = { samples: data.samples, batch, memoryBytes };
    return { model, options: factorOptions, run, arrays: data.arrays, seed, shard: this.shard };
  }

  /** What products with blocks of parameters have in common. */
  get blockStage(): BlockStage {
    const { model, run, arrays } = this.passSetting;
    return { model, run, arrays, options: this.options, density: this.density };
  }

  get density(): CurvatureStage['density'] {
    const { density, probes } = this.options;
    return density === undefined ? undefined : { steps: density, probes };
  }
}
