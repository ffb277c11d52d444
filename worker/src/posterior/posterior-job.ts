// What a pool thread is told about a posterior, and what it answers: plain data that can be sent.
import type { Program } from '@kronlens/proto';
import type { LaidOutArray } from '../session/program-job.js';
import type { TaskArtifact } from '../tasks/task-artifact.js';
import type { PenaltyOptions } from './penalty.js';

/** A program for full batches, and for the last, partial one where there is one. */
export interface BatchPrograms {
  readonly full: Program;
  readonly tail: Program | undefined;
}

/** Content ids of the eigenvectors of one group's factors; no `input` for a bias. */
export interface BasisIds {
  readonly output: string;
  readonly input: string;
}

export interface PosteriorData {
  /** The task in words, for messages. */
  readonly what: string;
  readonly arrays: readonly LaidOutArray[];
  readonly samples: number;
  readonly seed: bigint;
  /** One entry a group, by parameter. */
  readonly bases: ReadonlyMap<string, readonly BasisIds[]>;
  readonly memoryBytes: number;
}

/** RMSprop's settings, as in the message of that name. */
export interface OptimiserOptions {
  readonly learningRate: number;
  readonly alpha: number;
  readonly epsilon: number;
  readonly decay: number;
  readonly decayEpochs: number;
}

/** Where an optimisation begins: a state, a checkpoint of this very job, or a model and standard deviations. */
export type PosteriorStart =
  | { readonly kind: 'state'; readonly id: string }
  | { readonly kind: 'checkpoint'; readonly id: string }
  | {
      readonly kind: 'first';
      readonly parameters: string;
      /** s of every parameter. */
      readonly logStds: ReadonlyMap<string, Float32Array>;
      readonly rho: number;
    };

export interface PosteriorJob extends PosteriorData {
  readonly step: BatchPrograms;
  readonly capture: BatchPrograms | undefined;
  readonly start: PosteriorStart;
  /** Content id of theta_0; empty: zero. */
  readonly priorMean: string;
  readonly penalty: PenaltyOptions;
  readonly optimiser: OptimiserOptions;
  readonly firstEpoch: number;
  readonly lastEpoch: number;
  /** Milliseconds between two checkpoints. */
  readonly checkpointMs: number;
}

export interface PosteriorDrawsJob extends PosteriorData {
  /** Undefined: no parameter is rotated. */
  readonly draw: Program | undefined;
  readonly evaluation: BatchPrograms;
  readonly state: string;
  readonly firstDraw: number;
  readonly drawCount: number;
  /** Samples that each draw is evaluated on, chosen at random; undefined: all. */
  readonly drawSamples: number | undefined;
  /** The mean instead of draws. */
  readonly mean: boolean;
}

export type PosteriorJobs = {
  /** Progress in steps' samples. */
  readonly posterior: { readonly job: PosteriorJob; readonly answer: readonly TaskArtifact[] };
  /** Progress in draws. */
  readonly posteriorDraws: {
    readonly job: PosteriorDrawsJob;
    readonly answer: readonly TaskArtifact[];
  };
};
