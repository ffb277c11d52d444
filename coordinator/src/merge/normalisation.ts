// Says in words what each matrix of the result folder is and how it is normalised.
import type { FactorOptions } from '../programs/index.js';

export type FactorKind = 'input' | 'output' | 'mean';

interface Words {
  readonly what: string;
  readonly normalisation: string;
}

type Sharing = Pick<FactorOptions, 'sharing' | 'columns' | 'bias' | 'optimal'>;

/** Factors that minimise ||H - A (x) B||_F instead of being means themselves. */
const OPTIMAL = {
  input:
    'B of the Kronecker pair A (x) B that is closest to the exact block in the Frobenius norm; scaled to the norm of E[x x^T]',
  output:
    'A of the Kronecker pair A (x) B that is closest to the exact block in the Frobenius norm',
} as const;

function outputMatrix({ columns }: Sharing): string {
  if (columns.kind === 'empirical') return 'output Gram matrix E[g g^T] of the empirical Fisher';
  if (columns.kind === 'mc')
    return `output Hessian E[M], Monte-Carlo estimate of ${columns.samples} draws a sample`;
  if (columns.kind === 'sketch')
    return `output Hessian E[M], estimate from ${columns.samples} random +-1 combinations a sample of the columns of a root of the loss's Hessian`;
  return 'output Hessian E[M]';
}

/** @param positions of one sample, summed over the layer's uses */
export function factorWords(
  kind: FactorKind,
  options: Sharing,
  positions: number,
  joint: boolean,
): Words {
  const homogeneous = joint ? ', x with a homogeneous coordinate 1 behind it' : '';
  const what = {
    input: `input autocorrelation E[x x^T]${homogeneous}`,
    output: outputMatrix(options),
    mean: `mean input E[x]${homogeneous}`,
  }[kind];
  if (options.optimal === true && kind !== 'mean')
    return {
      what: `Frobenius-optimal Kronecker factor (KFOC), ${kind} side`,
      normalisation: OPTIMAL[kind],
    };
  if (positions === 1) return { what, normalisation: 'mean over samples' };
  const expand = {
    input: `mean over samples of the sum over ${positions} positions`,
    output: `mean over samples and ${positions} positions`,
    mean: `mean over samples and ${positions} positions`,
  };
  const reduce = {
    input: `mean over samples; x is the mean over ${positions} positions`,
    output: `mean over samples; output gradients are summed over ${positions} positions`,
    mean: `mean over samples; x is the mean over ${positions} positions`,
  };
  return { what, normalisation: (options.sharing === 'reduce' ? reduce : expand)[kind] };
}

/** What the loss of a sample with several tokens is; nothing for one row of logits a sample. */
function tokenWords(tokens: FactorOptions['tokens']): Readonly<Record<string, string>> {
  if (tokens === undefined) return {};
  const over = tokens.reduction === 'mean' ? 'mean' : 'sum';
  return {
    tokens: `the loss of a sample is the ${over} over its tokens whose label is not ${tokens.ignoreIndex} (without labels: over all ${tokens.count}); E[M] and all curvatures are of this loss`,
    accuracy: 'share of the tokens that count, over the data set',
  };
}

/** For run.json: the same for all layers, P being a layer's number of positions. */
export function normalisations(options: FactorOptions): Readonly<Record<string, string>> {
  const reduce = options.sharing === 'reduce';
  const words = {
    input: reduce
      ? 'E[xbar xbar^T]: mean over samples, xbar = mean of x over the P positions'
      : 'E[sum_p x_p x_p^T]: mean over samples of the sum over the P positions',
    output: reduce
      ? 'E[sum_k gbar_k gbar_k^T]: mean over samples, gbar_k = sum of column k over the P positions'
      : 'E[(1/P) sum_p sum_k g_kp g_kp^T]: mean over samples and positions',
    mean: 'E[x]: mean over samples and positions',
    ...tokenWords(options.tokens),
    loss:
      options.loss === 'cross-entropy'
        ? 'mean over samples'
        : 'mean over samples and the outputs of the model',
    eigenvectors: 'unit length; the component of largest magnitude is positive',
    density: 'the weights of each probe, or of all eigenvalues where there is none, add up to 1',
    full: 'layer *: means over samples; output gradients summed over positions, inputs averaged over them',
    kron: 'products of an eigenvalue of E[M] and one of E[x x^T]',
  };
  return options.optimal === true ? { ...words, ...OPTIMAL } : words;
}
