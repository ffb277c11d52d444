// Which eigenpairs a curvature task wants, and in which order they are stored.
import { SpectrumPart } from '@kronlens/proto';
import type { Eigenpairs, SpectrumOrder } from '../krylov/index.js';

const ORDERS: Readonly<Record<SpectrumPart, SpectrumOrder>> = {
  [SpectrumPart.LARGEST]: 'algebraic',
  [SpectrumPart.LARGEST_MAGNITUDE]: 'magnitude',
  [SpectrumPart.BOTH_ENDS]: 'ends',
};

export function orderOf(part: SpectrumPart): SpectrumOrder {
  return ORDERS[part] ?? 'algebraic';
}

/** The same pairs, largest eigenvalue first. */
export function descending(pairs: Eigenpairs): Eigenpairs {
  const { values, vectors, residuals, converged } = pairs;
  const places = [...values.keys()].sort(
    (i, j) => (values[j] as number) - (values[i] as number) || i - j,
  );
  if (places.every((place, i) => place === i)) return pairs;
  const dim = vectors.length / values.length;
  const sorted = new Float64Array(vectors.length);
  places.forEach((place, i) => {
    sorted.set(vectors.subarray(place * dim, (place + 1) * dim), i * dim);
  });
  return {
    ...pairs,
    values: Float64Array.from(places, (place) => values[place] as number),
    vectors: sorted,
    residuals: Float64Array.from(places, (place) => residuals[place] as number),
    converged: places.map((place) => converged[place] === true),
  };
}
