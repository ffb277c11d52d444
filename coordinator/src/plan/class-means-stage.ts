// Class and cross-class means: one pass over the data a layer, and the shares of the traces that they explain.
import { KronlensError, type TaskResult } from '@kronlens/proto';
import type { Layer } from '../layers/index.js';
import { blockDim, type FactorOptions, type Logits, planClassMeans } from '../programs/index.js';
import type { Engine } from './engine.js';
import { type PassSetting, runLayerPass } from './layer-pass.js';
import type { AnalysisOptions } from './options.js';
import type { StageProgress } from './stage-progress.js';
import { UsageError } from './usage-error.js';

/** The means of one kind of Jacobian. */
export interface ClassMeans {
  /** [classes, c, width]; 0 for classes without samples. */
  readonly values: Float64Array;
  /** Of one mean. */
  readonly width: number;
  /** sum_i P(y = i) sum_j |mean_ij|^2 over the trace; null where the trace is 0. */
  readonly share: number | null;
}

export interface LayerClassMeans {
  readonly classes: number;
  /** c, rows of Q. */
  readonly columns: number;
  /** Samples of each class. */
  readonly counts: readonly number[];
  /** Gamma_ij, of Q d f / d z, the mean over positions: of E[M]. */
  readonly gamma: ClassMeans;
  /** Delta_ij, of Q d f / d W: of the exact block. Undefined where they are too many. */
  readonly delta: ClassMeans | undefined;
}

/** Float64 numbers that a worker and the merge hold of each sum. */
const COPIES = 8;

/** Classes of the labels: those of cross-entropy, or two for one logit. */
export function classCount(outputs: number): number {
  return Math.max(2, outputs);
}

/** @throws UsageError where classes, labels or the exact output Hessian are missing */
export function checkClassMeans(
  options: FactorOptions,
  { outputs, tokens }: Pick<Logits, 'outputs' | 'tokens'>,
): void {
  const refuse = (reason: string) => new UsageError(`--class-means ${reason}`);
  if (tokens !== undefined)
    throw refuse('needs one row of logits a sample; this model has one a token');
  const single = options.loss === 'bce' && outputs === 1;
  if (options.loss !== 'cross-entropy' && !single)
    throw refuse(
      `needs one class a sample; --loss ${options.loss} with ${outputs} outputs has none`,
    );
  if (!options.labels) throw refuse("needs labels; add them to the data as 'y' or give --labels");
  if (options.columns.kind !== 'exact')
    throw refuse(
      'is of the exact output Hessian; leave out --output-hessian mc and --curvature fisher-empirical',
    );
}

/** Whether the means of the Jacobians by all weights fit the memory. */
export function fitsMemory(
  layer: Layer,
  outputs: number,
  options: FactorOptions,
  { memoryBytes }: Pick<AnalysisOptions, 'memoryBytes'>,
): boolean {
  const values = classCount(outputs) * outputs * blockDim(layer, options);
  return 8 * COPIES * values <= memoryBytes;
}

export async function runClassMeans(
  engine: Engine,
  setting: PassSetting,
  layer: Layer,
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<LayerClassMeans> {
  const { model, options, run } = setting;
  const columns = model.logits.outputs;
  const classes = classCount(columns);
  const weights = fitsMemory(layer, columns, options, run);
  const pass = await planClassMeans(model, layer, classes, weights, options, run);
  const means = await runLayerPass(engine, setting, pass, progress, seen);
  const find = (wanted: string): Float64Array => {
    const found = means.find(({ kind }) => kind === wanted);
    if (found !== undefined) return found.values;
    throw new KronlensError('bad-task-result', `the class means of a layer lack '${wanted}'`);
  };
  const shares = find('class_count');
  const meansOf = (sums: string, trace: string): ClassMeans =>
    ofClasses(find(sums), shares, columns, find(trace)[0] ?? 0);
  return {
    classes,
    columns,
    counts: Array.from(shares, (share) => Math.round(share * run.samples)),
    gamma: meansOf('gamma', 'output_trace'),
    delta: weights ? meansOf('delta', 'block_trace') : undefined,
  };
}

/** @param sums E[Y_i Q J], [classes, columns, width] @param shares P(y = i) */
function ofClasses(
  sums: Float64Array,
  shares: Float64Array,
  columns: number,
  trace: number,
): ClassMeans {
  const size = sums.length / shares.length;
  const values = new Float64Array(sums.length);
  let explained = 0;
  shares.forEach((share, i) => {
    if (share === 0) return;
    for (let at = i * size; at < (i + 1) * size; at++) {
      const mean = (sums[at] as number) / share;
      values[at] = mean;
      explained += share * mean * mean;
    }
  });
  return { values, width: size / columns, share: trace > 0 ? explained / trace : null };
}

/** Why a share is not there. */
export function classMeanNotes(
  layer: string,
  { gamma, delta }: LayerClassMeans,
): readonly string[] {
  const start = `layer '${layer}': `;
  if (gamma.share === null)
    return [`${start}its output Hessian is zero, so class means explain no share of it`];
  if (delta === undefined)
    return [
      `${start}its class means of all weights do not fit the memory, so class_mean_share_ggn is missing; raise --memory`,
    ];
  return [];
}
