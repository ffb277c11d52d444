// The order in which an epoch goes through the samples, and the samples that a draw is evaluated on: both seeded.
import { philox4x32 } from '../random/philox.js';
import { STREAMS, seedWords } from './streams.js';

/**
 * A permutation of 0 to samples - 1 (Fisher and Yates). Swap i takes word i mod 4 of Philox at counter
 * (i / 4, epoch's low and high word, stream), key the seed: it depends on seed, epoch and the number of
 * samples alone. The remainder's bias is below samples / 2^32.
 */
export function epochOrder(seed: bigint, epoch: number, samples: number): Uint32Array {
  const order = Uint32Array.from({ length: samples }, (_, index) => index);
  const key = Uint32Array.from(seedWords(seed));
  const counter = Uint32Array.of(0, epoch >>> 0, Math.floor(epoch / 2 ** 32), STREAMS.order);
  const words = new Uint32Array(4);
  for (let i = samples - 1; i > 0; i--) {
    const swap = samples - 1 - i;
    if (swap % 4 === 0) {
      counter[0] = swap / 4;
      philox4x32(counter, key, words);
    }
    const j = Math.floor(((words[swap % 4] as number) / 2 ** 32) * (i + 1));
    const kept = order[i] as number;
    order[i] = order[j] as number;
    order[j] = kept;
  }
  return order;
}

/**
 * `count` of 0 to samples - 1, independent and uniform up to a bias below samples / 2^53. Sample i takes words
 * 0 and 1, or 2 and 3 where i is odd, of Philox at counter (i / 2, draw's low and high word, stream).
 */
export function chosenSamples(
  seed: bigint,
  draw: number,
  count: number,
  samples: number,
): Uint32Array {
  const key = Uint32Array.from(seedWords(seed));
  const high = Math.floor(draw / 2 ** 32);
  const counter = Uint32Array.of(0, draw >>> 0, high, STREAMS.drawSamples);
  const words = new Uint32Array(4);
  const chosen = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    if (i % 2 === 0) {
      counter[0] = i / 2;
      philox4x32(counter, key, words);
    }
    const [first, second] = i % 2 === 0 ? [words[0], words[1]] : [words[2], words[3]];
    // 53 random bits: a float64 in [0, 1).
    const uniform = ((first as number) * 2 ** 21 + ((second as number) >>> 11)) / 2 ** 53;
    chosen[i] = Math.floor(uniform * samples);
  }
  return chosen;
}
