// Standard normals out of random words (Box and Muller), sixteen at a time, and the generator of those words.
// Source: xoshiro128++ 1.0 (Blackman and Vigna, arXiv 1805.01407); its states are words of Philox4x32-10.
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
function emitPhilox(f: FunctionBuilder, counter: Four, keys: readonly [Code, Code]): Four {
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

const rotatedLeft = (value: Code, bits: number): Code =>
  v128.or(i32x4.shiftLeft(value, i32.of(bits)), i32x4.shiftRight(value, i32.of(32 - bits)));

/** Four generators side by side: the state of each is one lane of four vectors. */
class Generators {
  readonly #f: FunctionBuilder;
  readonly #state: Four;

  constructor(f: FunctionBuilder, state: Four) {
    this.#f = f;
    this.#state = state;
  }

  /** The next word of each. */
  next(): Code {
    const f = this.#f;
    const [s0, s1, s2, s3] = this.#state;
    const sum = f.let(i32x4.add(s0, s3));
    const word = f.let(i32x4.add(rotatedLeft(sum, 7), s0));
    const shifted = f.let(i32x4.shiftLeft(s1, i32.of(9)));
    f.set(s2, v128.xor(s2, s0));
    f.set(s3, v128.xor(s3, s1));
    f.set(s1, v128.xor(s1, s2));
    f.set(s0, v128.xor(s0, s3));
    f.set(s2, v128.xor(s2, shifted));
    f.set(s3, rotatedLeft(s3, 11));
    return word;
  }
}

/**
 * Sixteen normals at each call of the answer. Eight generators begin with the Philox words of the counters
 * (0 to 7, c1, c2, c3): those of 0 to 3 give the radii, those of 4 to 7 the angles.
 * @param counter c1, c2 and c3, as vectors
 * @param keys as vectors
 */
export function emitNormalSource(
  f: FunctionBuilder,
  counter: readonly [Code, Code, Code],
  keys: readonly [Code, Code],
): () => Four {
  const generators = (first: number) => {
    const c0 = i32x4.of(first, first + 1, first + 2, first + 3);
    return new Generators(f, emitPhilox(f, [c0, ...counter], keys));
  };
  const [radii, angles] = [generators(0), generators(4)];
  const pair = () => emitPair(f, radii.next(), angles.next());
  return () => [...pair(), ...pair()];
}

/**
 * Two normals from two words. The radius uses 31 bits of a word, so that normals reach 6.6; the angle 30
 * bits and the quadrant two.
 */
function emitPair(f: FunctionBuilder, first: Code, second: Code): readonly [Code, Code] {
  // In (0, 1]: 0 becomes 2^-32.
  const scaled = f32x4.mul(
    f32x4.fromSigned(i32x4.shiftRight(first, i32.of(1))),
    f32x4.of(2 ** -31),
  );
  const uniform = f.let(f32x4.add(scaled, f32x4.of(2 ** -32)));
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
