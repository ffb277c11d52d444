// Random vectors of iterations and estimates: a function of seed, purpose, row and place.
import { philox4x32 } from '../random/philox.js';
import { SampleNoise } from '../random/sample-noise.js';

/** Tells the streams of different purposes apart, and apart from the noise of samples. */
export const Purpose = {
  start: 0x4b000000,
  fresh: 0x4b000001,
  probe: 0x4b000002,
  density: 0x4b000003,
  sketch: 0x4b000004,
  cross: 0x4b000005,
};

/** Standard normals [count, dim], float32 numbers; rows [first, first + count) of an endless matrix. */
export function normalRows(
  seed: bigint,
  purpose: number,
  first: number,
  count: number,
  dim: number,
): Float64Array {
  const noise = new SampleNoise(seed);
  const rows = new Float64Array(count * dim);
  const row = new Float32Array(dim);
  for (let i = 0; i < count; i++) {
    noise.normals(first + i, purpose, row);
    rows.set(row, i * dim);
  }
  return rows;
}

/** Signs +1 and -1 [count, dim]; rows [first, first + count) of an endless matrix. */
export function signRows(
  seed: bigint,
  purpose: number,
  first: number,
  count: number,
  dim: number,
): Float64Array {
  const key = Uint32Array.of(
    Number(BigInt.asUintN(32, seed)),
    Number(BigInt.asUintN(32, seed >> 32n)),
  );
  const counter = new Uint32Array(4);
  const words = new Uint32Array(4);
  const rows = new Float64Array(count * dim);
  counter[1] = purpose;
  for (let i = 0; i < count; i++) {
    counter[2] = first + i;
    for (let place = 0; place < dim; place++) {
      // 128 signs of each call.
      const bit = place % 128;
      if (bit === 0) {
        counter[0] = place / 128;
        philox4x32(counter, key, words);
      }
      rows[i * dim + place] = (((words[bit >> 5] as number) >>> (bit & 31)) & 1) === 0 ? -1 : 1;
    }
  }
  return rows;
}
