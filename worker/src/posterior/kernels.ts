// The elementwise work of an optimisation step as vector loops: noise with the sums behind KL, and RMSprop.
import {
  type Code,
  encodeModule,
  FunctionBuilder,
  f32x4,
  f64x2,
  i32,
  i32x4,
  load,
  shuffle,
  v128,
} from '../vector/assembler.js';
import { emitExp } from '../vector/elementary.js';
import { emitNormals, emitPhilox } from '../vector/philox-normals.js';

/** Values of one round of the noise loop; arrays are padded to a multiple of it. */
export const BLOCK = 16;
const VECTOR_BYTES = 16;
const LANES = 4;

/** Bytes at `sums`: three pairs of doubles, whose two halves are to be added. */
export const SUM_BYTES = 3 * VECTOR_BYTES;

/** Adds a vector of floats to a variable of two doubles. */
function accumulate(f: FunctionBuilder, variable: Code, values: Code): void {
  const high = f64x2.fromLow(shuffle(values, values, [2, 3, 2, 3]));
  f.set(variable, f64x2.add(variable, f64x2.add(f64x2.fromLow(values), high)));
}

/**
 * noise[i] = exp(s[i]) xi[i]; and, where `drawn` is set, drawn[i] = w[i] + noise[i]. The sums are those
 * of exp(2 s), (w - theta)^2 and s over the first `count` values. xi is word and lane of Philox at
 * counter (i / 4 rounded down per block of 16, c1, c2, c3); see `emitPhilox`.
 */
function noiseLoop(name: string, draws: boolean): FunctionBuilder {
  const f = new FunctionBuilder(
    name,
    Array.from({ length: 12 }, () => 'i32' as const),
  );
  const [mean, logStd, prior, noise, drawn, sums, count, c1, c2, c3, k0, k1] = Array.from(
    { length: 12 },
    (_, index) => f.parameter(index),
  ) as [Code, Code, Code, Code, Code, Code, Code, Code, Code, Code, Code, Code];
  const splat = (word: Code) => f.let(i32.splat(word));
  const constants = [splat(c1), splat(c2), splat(c3)] as const;
  const keys = [splat(k0), splat(k1)] as const;
  const limit = splat(count);
  const totals = [f.variable('v128'), f.variable('v128'), f.variable('v128')] as const;
  for (const total of totals) f.set(total, f64x2.zero());
  const at = f.variable('i32');
  f.set(at, i32.of(0));
  const byteOffset = f.variable('i32');
  f.while(i32.lessThan(at, count), () => {
    f.set(byteOffset, i32.shiftLeft(at, i32.of(2)));
    const block = i32.splat(i32.shiftRight(at, i32.of(2)));
    const counter = f.let(i32x4.add(block, i32x4.of(0, 1, 2, 3)));
    const words = emitPhilox(f, [counter, ...constants], keys);
    const address = (array: Code) => f.let(i32.add(array, byteOffset), 'i32');
    const [w, s, theta, n, d] = [mean, logStd, prior, noise, drawn].map(address) as [
      Code,
      Code,
      Code,
      Code,
      Code,
    ];
    const place = f.let(i32x4.add(i32.splat(at), i32x4.of(0, 1, 2, 3)));
    emitNormals(f, words).forEach((normal, index) => {
      const offset = index * VECTOR_BYTES;
      const own = i32x4.lessThan(i32x4.add(place, i32x4.of(index * LANES)), limit);
      const mask = f.let(own);
      const log = f.let(load(s, offset));
      const deviation = emitExp(f, log);
      const added = f.let(f32x4.mul(deviation, normal));
      f.store(n, added, offset);
      const value = f.let(load(w, offset));
      if (draws) f.store(d, f32x4.add(value, added), offset);
      const difference = f.let(f32x4.sub(value, load(theta, offset)));
      const terms = [f32x4.mul(deviation, deviation), f32x4.mul(difference, difference), log];
      terms.forEach((term, which) => {
        accumulate(f, totals[which] as Code, f.let(v128.and(term, mask)));
      });
    });
    f.set(at, i32.add(at, i32.of(BLOCK)));
  });
  totals.forEach((total, which) => {
    f.store(sums, total, which * VECTOR_BYTES);
  });
  return f;
}

/**
 * One step of RMSprop on w and s: with g_w = scale G_w + pull (w - theta) and
 * g_s = scale G_n noise + pull exp(2 s) - push,  v <- alpha v + (1 - alpha) g^2 and
 * p <- p - rate g / (sqrt(v) + epsilon).
 */
function updateLoop(): FunctionBuilder {
  const arrays = 9;
  const f = new FunctionBuilder('update', [
    ...Array.from({ length: arrays }, () => 'i32' as const),
    ...Array.from({ length: 7 }, () => 'f32' as const),
  ]);
  const pointers = Array.from({ length: arrays - 1 }, (_, index) => f.parameter(index));
  const count = f.parameter(arrays - 1);
  const [scale, pull, push, alpha, rest, rate, epsilon] = Array.from({ length: 7 }, (_, index) =>
    f.let(f32x4.splat(f.parameter(arrays + index))),
  ) as [Code, Code, Code, Code, Code, Code, Code];
  const at = f.variable('i32');
  f.set(at, i32.of(0));
  f.while(i32.lessThan(at, count), () => {
    const bytes = f.let(i32.shiftLeft(at, i32.of(2)), 'i32');
    const [mean, logStd, meanSquare, logStdSquare, prior, noise, gradient, noiseGradient] =
      pointers.map((pointer) => f.let(i32.add(pointer, bytes), 'i32')) as [
        Code,
        Code,
        Code,
        Code,
        Code,
        Code,
        Code,
        Code,
      ];
    const step = (parameter: Code, square: Code, value: Code, g: Code) => {
      const kept = f32x4.mul(load(square), alpha);
      const v = f.let(f32x4.add(kept, f32x4.mul(f32x4.mul(g, g), rest)));
      f.store(square, v);
      const size = f32x4.add(f32x4.sqrt(v), epsilon);
      f.store(parameter, f32x4.sub(value, f32x4.div(f32x4.mul(g, rate), size)));
    };
    const w = f.let(load(mean));
    const pulled = f32x4.mul(f32x4.sub(w, load(prior)), pull);
    const ofMean = f.let(f32x4.add(f32x4.mul(load(gradient), scale), pulled));
    step(mean, meanSquare, w, ofMean);
    const s = f.let(load(logStd));
    const deviation = emitExp(f, s);
    const spread = f32x4.sub(f32x4.mul(f32x4.mul(deviation, deviation), pull), push);
    const data = f32x4.mul(f32x4.mul(load(noiseGradient), load(noise)), scale);
    step(logStd, logStdSquare, s, f.let(f32x4.add(data, spread)));
    f.set(at, i32.add(at, i32.of(LANES)));
  });
  return f;
}

/** Addresses are bytes in the memory, multiples of 16. */
export interface Kernels {
  /** Noise with drawn parameters (`draw`), or noise alone, whose `drawn` is ignored. */
  readonly draw: NoiseKernel;
  readonly noise: NoiseKernel;
  readonly update: (
    mean: number,
    logStd: number,
    meanSquare: number,
    logStdSquare: number,
    prior: number,
    noise: number,
    gradient: number,
    noiseGradient: number,
    count: number,
    scale: number,
    pull: number,
    push: number,
    alpha: number,
    rest: number,
    rate: number,
    epsilon: number,
  ) => void;
}

export type NoiseKernel = (
  mean: number,
  logStd: number,
  prior: number,
  noise: number,
  drawn: number,
  sums: number,
  count: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
) => void;

/** What Node.js has of the WebAssembly interface, as far as it is used here. */
interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly host: { readonly memory: VectorMemory } },
  ) => { readonly exports: unknown };
  readonly Memory: new (size: { readonly initial: number }) => VectorMemory;
}

export interface VectorMemory {
  readonly buffer: ArrayBuffer;
}

const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyInterface };
const PAGE_BYTES = 65536;

/** Memory of a fixed size, zeros. @throws RangeError when there is not so much, or more than 4 GiB are asked for */
export function vectorMemory(bytes: number): VectorMemory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE_BYTES) });
}

let compiled: object | undefined;

/** The loops on a memory. */
export function kernelsOn(memory: VectorMemory): Kernels {
  compiled ??= new WebAssembly.Module(
    encodeModule([noiseLoop('draw', true), noiseLoop('noise', false), updateLoop()]),
  );
  return new WebAssembly.Instance(compiled, { host: { memory } }).exports as Kernels;
}
