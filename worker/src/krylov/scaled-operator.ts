// Brings an operator to a size whose squares neither overflow nor underflow.
import type { SymmetricOperator } from './symmetric-operator.js';

/** Entries of products between 2^-300 and 2^300 are left as they are. */
const TAME_EXPONENT = 300;
/** 2^1000 and its inverse are numbers; powers beyond are not. */
const LARGEST_EXPONENT = 1000;

/**
 * The operator times a power of two that the first product decides on.
 * @returns with `factor`, the power, once there was a product
 */
export function scaled(operator: SymmetricOperator): {
  readonly operator: SymmetricOperator;
  readonly factor: () => number;
} {
  let factor: number | undefined;
  return {
    factor: () => factor ?? 1,
    operator: {
      dim: operator.dim,
      async apply(vectors, count) {
        const images = await operator.apply(vectors, count);
        factor ??= tamingFactor(images);
        if (factor !== 1) {
          for (let i = 0; i < images.length; i++) images[i] = (images[i] as number) * factor;
        }
        return images;
      },
    },
  };
}

function tamingFactor(images: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < images.length; i++) {
    largest = Math.max(largest, Math.abs(images[i] as number));
  }
  if (largest === 0 || !Number.isFinite(largest)) return 1;
  const exponent = Math.round(Math.log2(largest));
  if (Math.abs(exponent) <= TAME_EXPONENT) return 1;
  return 2 ** -Math.max(-LARGEST_EXPONENT, Math.min(LARGEST_EXPONENT, exponent));
}
