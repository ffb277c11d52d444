// Standard normals out of Philox4x32-10, sixteen at a time.
import {
  type Code,
  type FunctionBuilder,
  f32x4,
  i32,
  i32x4,
  shuffle,
  v128,
  wideProducts,
} from './assembler.js';
import { emitLog, emitSineCosine } from './elementary.js';

const [M0, M1] = [0xd2511f53, 0xcd9e8d57];
const [W0, W1] = [0x9e3779b9, 0xbb67ae85];
const ROUNDS = 10;

type Four = readonly [Code, Code, Code, Code];

/**
 * Words of four counters (c0 + 0 to 3, c1, c2, c3): vector i of the answer holds word i of each.
 * @param counter c0 of the first; c1, c2 and c3 of all, as vectors
 * @param keys as vectors
 */
export function emitPhilox(f: FunctionBuilder, counter: Four, keys: readonly [Code, Code]): Four {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = keys;
  const products = (value: Code, factor: number) => {
    const low = f.let(wideProducts.low(value, i32x4.of(factor)));
    const high = f.let(wideProducts.high(value, i32x4.of(factor)));
    return {
      low: f.let(shuffle(low, high, [0, 2, 4, 6])),
      high: f.let(shuffle(low, high, [1, 3, 5, 7])),
    };
  };
  for (let round = 0; round < ROUNDS; round++) {
    const [a, b] = [products(c0, M0), products(c2, M1)];
    c0 = f.let(v128.xor(v128.xor(b.high, c1), k0));
    c1 = b.low;
    c2 = f.let(v128.xor(v128.xor(a.high, c3), k1));
    c3 = a.low;
    if (round === ROUNDS - 1) break;
    k0 = f.let(i32x4.add(k0, i32x4.of(W0)));
    k1 = f.let(i32x4.add(k1, i32x4.of(W1)));
  }
  return [c0, c1, c2, c3];
}

/**
 * Normals from sixteen words (Box and Muller): pairs of words 0 and 1, 2 and 3. The radius uses all 32
 * bits of a word, so that normals reach 6.6; the angle 30 bits and the quadrant two.
 */
export function emitNormals(f: FunctionBuilder, words: Four): Four {
  const [a, b] = emitPair(f, words[0], words[1]);
  const [c, d] = emitPair(f, words[2], words[3]);
  return [a, b, c, d];
}

function emitPair(f: FunctionBuilder, first: Code, second: Code): readonly [Code, Code] {
  // In (0, 1]: 0 becomes 2^-33.
  const scaled = f32x4.mul(f32x4.fromUnsigned(first), f32x4.of(2 ** -32));
  const uniform = f.let(f32x4.add(scaled, f32x4.of(2 ** -33)));
  const radius = f.let(f32x4.sqrt(f32x4.mul(emitLog(f, uniform), f32x4.of(-2))));
  const turn = f32x4.fromSigned(i32x4.shiftLeft(second, i32.of(2)));
  const angle = f.let(f32x4.mul(turn, f32x4.of((Math.PI / 4) * 2 ** -31)));
  const { sine, cosine } = emitSineCosine(f, angle);
  const sign = v128.and(i32x4.shiftLeft(second, i32.of(1)), i32x4.of(0x80000000));
  const turned = f.let(v128.xor(cosine, sign));
  const swap = f.let(i32x4.shiftRightSigned(second, i32.of(31)));
  return [
    f.let(f32x4.mul(radius, v128.select(sine, turned, swap))),
    f.let(f32x4.mul(radius, v128.select(turned, sine, swap))),
  ];
}
