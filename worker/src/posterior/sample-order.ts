// The order in which an epoch goes through the samples: a seeded permutation of its own.
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
