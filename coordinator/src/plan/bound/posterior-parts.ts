// A posterior taken apart by parameters: mean, deviations, and each one's part of the KL.
import { type BundleTensor, KronlensError } from '@kronlens/proto';
import type { PosteriorSums } from '../../bound/index.js';

/** One parameter of a posterior. */
export interface PosteriorPart {
  readonly parameter: string;
  readonly shape: readonly number[];
  /** w, in the standard basis. */
  readonly mean: Float64Array;
  /** s, in the posterior's basis. */
  readonly logDeviations: Float64Array;
  readonly sums: PosteriorSums;
}

/** The posterior as a whole. */
export interface PosteriorParts {
  readonly parts: readonly PosteriorPart[];
  /** rho of the optimised prior variance exp(2 rho). */
  readonly rho: number;
}

/**
 * @param state a bundle "state"
 * @param parameters of the model, in its order
 * @param prior theta_0 by parameter; undefined: zero
 * @throws KronlensError when the state lacks a parameter
 */
export function posteriorParts(
  state: ReadonlyMap<string, BundleTensor>,
  parameters: readonly { readonly name: string; readonly shape: readonly number[] }[],
  prior: readonly BundleTensor[] | undefined,
): PosteriorParts {
  const centres = prior && new Map(prior.map(({ name, values }) => [name, values]));
  const take = (name: string): Float64Array => {
    const found = state.get(name)?.values;
    if (found !== undefined) return found;
    throw new KronlensError(
      'bad-task-result',
      `the state of a posterior lacks '${name}'; coordinator and worker do not fit together`,
    );
  };
  const parts = parameters.map(({ name, shape }) => {
    const [mean, logDeviations] = [take(`mean/${name}`), take(`log_std/${name}`)];
    const sums = sumsOf(mean, logDeviations, centres?.get(name));
    return { parameter: name, shape, mean, logDeviations, sums };
  });
  return { parts, rho: take('rho')[0] ?? Number.NaN };
}

function sumsOf(
  mean: Float64Array,
  logDeviations: Float64Array,
  centre: Float64Array | undefined,
): PosteriorSums {
  let [varianceSum, logDeviationSum, squaredDistance] = [0, 0, 0];
  for (const [index, s] of logDeviations.entries()) {
    varianceSum += Math.exp(2 * s);
    logDeviationSum += s;
    squaredDistance += ((mean[index] ?? 0) - (centre?.[index] ?? 0)) ** 2;
  }
  return { parameters: mean.length, varianceSum, logDeviationSum, squaredDistance };
}

/** The sums of several parameters together. */
export function totalSums(parts: readonly Pick<PosteriorPart, 'sums'>[]): PosteriorSums {
  const total = (term: (sums: PosteriorSums) => number) =>
    parts.reduce((sum, { sums }) => sum + term(sums), 0);
  return {
    parameters: total(({ parameters }) => parameters),
    varianceSum: total(({ varianceSum }) => varianceSum),
    logDeviationSum: total(({ logDeviationSum }) => logDeviationSum),
    squaredDistance: total(({ squaredDistance }) => squaredDistance),
  };
}
