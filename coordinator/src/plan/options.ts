// The options of an analysis, checked and with their defaults: what a run is, and how it is executed.
import type { ProjectionSplit } from '../layers/index.js';
import type { LossName } from '../programs/loss.js';

export const LOSSES = ['cross-entropy', 'bce', 'mse'] as const satisfies readonly LossName[];
export const OUTPUT_HESSIANS = ['exact', 'mc', 'sketch'] as const;
export const SPLITS = ['heads', 'qkv'] as const satisfies readonly ProjectionSplit[];
export const TOKEN_LOSSES = ['mean', 'sum'] as const;
export const CURVATURES = ['ggn', 'fisher-empirical', 'hessian'] as const;
export const SPECTRUM_PARTS = ['magnitude', 'algebraic', 'both'] as const;
export const SHARINGS = ['expand', 'reduce', 'kfoc'] as const;
export const BIASES = ['separate', 'joint'] as const;
export const MEASURES = ['factors', 'eigen', 'curvature', 'structure'] as const;
export const DEVICES = ['cpu', 'cuda', 'webgpu'] as const;
export const LINALGS = ['auto', 'lapack', 'portable'] as const;

export type Measure = (typeof MEASURES)[number];

/** What determines the result files, together with the model and the data. */
export interface AnalysisOptions {
  /** undefined: cross-entropy, or bce for a model with one logit. */
  readonly loss: LossName | undefined;
  /** Glob patterns over layer names; empty: all layers. */
  readonly layers: readonly string[];
  readonly exclude: readonly string[];
  /** Whether attention's projections are split into layers of their own; undefined: they are not. */
  readonly split: ProjectionSplit | undefined;
  readonly measures: readonly Measure[];
  /** Eigenvalues of the Kronecker product, and eigenpairs of the exact block, per layer. */
  readonly top: number;
  /** Exact blocks up to this dimension are formed and decomposed whole. */
  readonly dense: number;
  /** Residuals of eigenpairs of larger exact blocks, relative to the largest eigenvalue. */
  readonly tolerance: number;
  readonly outputHessian: (typeof OUTPUT_HESSIANS)[number];
  /** Draws per sample (of every token); used by `mc` and `sketch` only. */
  readonly mcSamples: number;
  /** `hessian`: the Gauss-Newton blocks and those of the true Hessian. */
  readonly curvature: (typeof CURVATURES)[number];
  /** Which `top` eigenpairs of the Hessian's blocks: of `both` ends, so many each. */
  readonly which: (typeof SPECTRUM_PARTS)[number];
  /** How the losses of a sample's tokens are put together, where the model has logits for each. */
  readonly tokenLoss: (typeof TOKEN_LOSSES)[number];
  /** Tokens with this label do not count. */
  readonly ignoreIndex: number;
  readonly sharing: (typeof SHARINGS)[number];
  readonly bias: (typeof BIASES)[number];
  /** Blocks of any parameters, as `name=glob,glob` or `glob,glob`. */
  readonly blocks: readonly string[];
  /** Whether the norms of the blocks between layers are estimated. */
  readonly cross: boolean;
  /** Steps of the exact blocks' spectral densities; undefined: none are found. */
  readonly density: number | undefined;
  /** Random vectors that each density starts from. */
  readonly probes: number;
  /** Whether class and cross-class means are found, too. */
  readonly classMeans: boolean;
  /** Whether the Hessian of all layers together is approximated and compared, too. */
  readonly fullHessian: boolean;
  /** Whether biases and normalisations' parameters have blocks of their own. */
  readonly includeAffine: boolean;
  /** Whether the exact block's diagonal in the Kronecker eigenbasis is found too. */
  readonly ekfac: boolean;
  /** The first so many samples; undefined: all. */
  readonly samples: number | undefined;
  readonly seed: number;
  /** Samples in one execution; undefined: chosen by the memory limit. */
  readonly batch: number | undefined;
  /** Memory that one program may take, in bytes. */
  readonly memoryBytes: number;
  /** Input values are multiplied by it; undefined: 1. */
  readonly scale: number | undefined;
  readonly skipUnsupported: boolean;
  readonly device: (typeof DEVICES)[number];
  readonly linalg: (typeof LINALGS)[number];
}

/** How a run is executed: nothing here changes a byte of the result files. */
export interface ExecutionOptions {
  readonly model: string;
  /** Where the model lies, when that is not where the user named it. */
  readonly modelFile?: string;
  readonly data: string;
  readonly labels: string | undefined;
  readonly out: string;
  /** Samples in one task; undefined: chosen so that there are some 32 tasks. */
  readonly shard: number | undefined;
  /** Tasks that run at the same time. */
  readonly parallel: number;
  readonly resume: boolean;
}
