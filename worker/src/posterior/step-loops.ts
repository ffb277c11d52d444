// The elementwise work of an optimisation step as vector loops: RMSprop, noise and the sums behind KL in one pass.
import {
  type Code,
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
import { emitNormalSource } from '../vector/normals.js';

/** What is kept of every parameter, float32, one array after the other at equal distances. */
export const ARRAYS = [
  'mean',
  'logStd',
  'meanSquare',
  'logStdSquare',
  'prior',
  'deviation',
  'noise',
  'drawn',
  'gradient',
  'noiseGradient',
] as const;
export type ArrayName = (typeof ARRAYS)[number];

/** Values of one round of the loops; arrays are padded to a multiple of it. */
export const BLOCK = 16;
const VECTOR_BYTES = 16;
const LANES = 4;

/** Bytes at `sums`: three pairs of doubles, whose two halves are to be added. */
export const SUM_BYTES = 3 * VECTOR_BYTES;

/** What a loop does. */
interface LoopKind {
  readonly name: string;
  /** Takes a step of RMSprop before. */
  readonly steps: boolean;
  /** Noise goes to the parameter itself, and the gradient with respect to it is that of the parameter. */
  readonly draws: boolean;
}

/** Where the arrays lie, where sums go, and which random numbers are used. */
const PLACES = ['first', 'stride', 'sums', 'count', 'c1', 'c2', 'c3', 'k0', 'k1'] as const;
/** Factors of a step. */
const FACTORS = ['scale', 'pull', 'push', 'alpha', 'rest', 'rate', 'epsilon'] as const;

/**
 * First, where it `steps`, one step of RMSprop on w and s: with g_w = scale G_w + pull (w - theta) and
 * g_s = scale G_n noise + pull deviation^2 - push,  v <- alpha v + (1 - alpha) g^2 and
 * p <- p - rate g / (sqrt(v) + epsilon). Then deviation[i] = exp(s[i]), noise[i] = deviation[i] xi[i];
 * and, where it `draws`, drawn[i] = w[i] + noise[i]. The sums are those of exp(2 s), (w - theta)^2 and s over the first `count`
 * values. xi is from `emitNormalSource` at counter (c1, c2, c3) and key (k0, k1).
 */
function loop({ name, steps, draws }: LoopKind): FunctionBuilder {
  const f = new FunctionBuilder(name, [
    ...PLACES.map(() => 'i32' as const),
    ...(steps ? FACTORS.map(() => 'f32' as const) : []),
  ]);
  const place = (key: (typeof PLACES)[number]) => f.parameter(PLACES.indexOf(key));
  const splat = (key: (typeof PLACES)[number]) => f.let(i32.splat(place(key)));
  const nextNormals = emitNormalSource(
    f,
    [splat('c1'), splat('c2'), splat('c3')],
    [splat('k0'), splat('k1')],
  );
  const addresses = new Map<ArrayName, Code>();
  let base = place('first');
  for (const array of ARRAYS) {
    addresses.set(array, base);
    base = f.let(i32.add(base, place('stride')), 'i32');
  }
  const bytes = f.variable('i32');
  const step = steps ? emitStep(f, draws) : undefined;
  const totals = [f.variable('v128'), f.variable('v128'), f.variable('v128')] as const;
  for (const total of totals) f.set(total, f64x2.zero());
  const at = f.variable('i32');
  f.set(at, i32.of(0));
  /** @param mask of a vector's lanes that count */
  const block = (mask: (terms: Code, first: number) => Code) => {
    f.set(bytes, i32.shiftLeft(at, i32.of(2)));
    const address = (array: ArrayName) => f.let(i32.add(addresses.get(array) ?? [], bytes), 'i32');
    const places = new Map(ARRAYS.map((array) => [array, address(array)]));
    const of = (array: ArrayName) => places.get(array) ?? [];
    const terms = nextNormals().map((normal, index) => {
      const offset = index * VECTOR_BYTES;
      const { w, s, difference } = step?.(of, offset) ?? read(f, of, offset);
      const deviation = emitExp(f, s);
      f.store(of('deviation'), deviation, offset);
      const noise = f.let(f32x4.mul(deviation, normal));
      f.store(of('noise'), noise, offset);
      if (draws) f.store(of('drawn'), f32x4.add(w, noise), offset);
      const squares = [f32x4.mul(deviation, deviation), f32x4.mul(difference, difference)];
      return [...squares, s].map((term) => f.let(mask(term, index * LANES)));
    });
    totals.forEach((total, which) => {
      const [a, b, c, d] = terms.map((vectors) => vectors[which] ?? []) as [Code, Code, Code, Code];
      const four = f.let(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
      const high = f64x2.fromLow(shuffle(four, four, [2, 3, 2, 3]));
      f.set(total, f64x2.add(total, f64x2.add(f64x2.fromLow(four), high)));
    });
    f.set(at, i32.add(at, i32.of(BLOCK)));
  };
  const whole = f.let(i32.and(place('count'), i32.of(-BLOCK)), 'i32');
  f.while(i32.lessThan(at, whole), () => block((term) => term));
  const limit = f.let(i32.splat(place('count')));
  f.while(i32.lessThan(at, place('count')), () =>
    block((term, first) => {
      const index = i32x4.add(i32.splat(at), i32x4.of(first, first + 1, first + 2, first + 3));
      return v128.and(term, i32x4.lessThan(index, limit));
    }),
  );
  totals.forEach((total, which) => {
    f.store(place('sums'), total, which * VECTOR_BYTES);
  });
  return f;
}

/** Four values of a parameter. */
interface Values {
  readonly w: Code;
  readonly s: Code;
  /** w - theta. */
  readonly difference: Code;
}

type Addresses = (array: ArrayName) => Code;

function read(f: FunctionBuilder, of: Addresses, offset: number): Values {
  const w = f.let(load(of('mean'), offset));
  const s = f.let(load(of('logStd'), offset));
  return { w, s, difference: f.let(f32x4.sub(w, load(of('prior'), offset))) };
}

/** @returns what takes the step of four values and gives the new ones */
function emitStep(f: FunctionBuilder, draws: boolean): (of: Addresses, offset: number) => Values {
  const [scale, pull, push, alpha, rest, rate, epsilon] = FACTORS.map((_, index) =>
    f.let(f32x4.splat(f.parameter(PLACES.length + index))),
  ) as [Code, Code, Code, Code, Code, Code, Code];
  return (of, offset) => {
    const moved = (array: 'mean' | 'logStd', value: Code, g: Code): Code => {
      const square = of(`${array}Square`);
      const kept = f32x4.mul(load(square, offset), alpha);
      const v = f.let(f32x4.add(kept, f32x4.mul(f32x4.mul(g, g), rest)));
      f.store(square, v, offset);
      const size = f32x4.add(f32x4.sqrt(v), epsilon);
      const result = f.let(f32x4.sub(value, f32x4.div(f32x4.mul(g, rate), size)));
      f.store(of(array), result, offset);
      return result;
    };
    const old = read(f, of, offset);
    const gradient = f.let(load(of('gradient'), offset));
    const ofNoise = draws ? gradient : load(of('noiseGradient'), offset);
    const pulled = f32x4.mul(old.difference, pull);
    const w = moved('mean', old.w, f.let(f32x4.add(f32x4.mul(gradient, scale), pulled)));
    const deviation = f.let(load(of('deviation'), offset));
    const spread = f32x4.sub(f32x4.mul(f32x4.mul(deviation, deviation), pull), push);
    const data = f32x4.mul(f32x4.mul(ofNoise, load(of('noise'), offset)), scale);
    const s = moved('logStd', old.s, f.let(f32x4.add(data, spread)));
    return { w, s, difference: f.let(f32x4.sub(w, load(of('prior'), offset))) };
  };
}

/** All loops, by the names that `Kernels` has for them. */
export const stepLoops = (): readonly FunctionBuilder[] =>
  [
    { name: 'draw', steps: false, draws: true },
    { name: 'noise', steps: false, draws: false },
    { name: 'stepAndDraw', steps: true, draws: true },
    { name: 'step', steps: true, draws: false },
  ].map(loop);
