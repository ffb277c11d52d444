// Compares a VJP with finite differences along random directions, and tells kinks from mistakes.
import type { Tensor } from '../../graph/graph.js';
import { floatTensor, tensorNumbers } from '../../graph/tensor.js';
import { dot } from '../random-frames.js';
import type { Width } from './widen.js';

/** A scalar function of tensors: <cotangent, outputs>. */
export type Scalar = (point: ReadonlyMap<string, Tensor>) => Promise<number>;

export interface Comparison {
  /** What is wrong, one sentence; undefined when all is well. */
  readonly problem: string | undefined;
  /** Elements left out since the function has no derivative there, and elements in all. */
  readonly kinks: number;
}

/**
 * Steps, smaller ones for where a kink or a pole lies within reach of the larger; how far derivatives may differ, relative to
 * the larger of 1 and the gradient's length; and a difference of slopes that may be rounding.
 */
const BY_WIDTH = {
  float64: { steps: [1e-4, 1e-6], tolerance: 1e-6, noise: 1e-6 },
  float32: { steps: [1 / 32, 1 / 128, 1 / 1024], tolerance: 2e-3, noise: 2e-2 },
} as const;

export interface SlopeOptions {
  readonly random: () => number;
  readonly width: Width;
  /** Whether outputs are infinite or NaN somewhere, so that gradients may be, too: such elements are left out. */
  readonly domainEnds: boolean;
}

/**
 * The derivative along a random direction of one input, by fourth-order central differences, against
 * <VJP, direction>. Where they disagree the elements are looked at in blocks, halved again and again. A block has a
 * kink where the slopes to its two sides differ and the difference does not shrink with the step (for a smooth
 * function it is proportional to the step), or where the central slope grows as the step shrinks (a jump).
 * Without the elements that are kinks the direction must agree.
 * @param gradient the VJP's cotangent of the input; undefined where it is zero
 */
export async function compareSlope(
  scalar: Scalar,
  point: ReadonlyMap<string, Tensor>,
  name: string,
  gradient: readonly number[] | undefined,
  { random, width, domainEnds }: SlopeOptions,
): Promise<Comparison> {
  const value = point.get(name);
  if (value === undefined) throw new Error(`no value '${name}'`);
  const base = tensorNumbers(value);
  const outside = base.map((_, index) => domainEnds && !Number.isFinite(gradient?.[index] ?? 0));
  const direction = outside.map((out) => (out ? 0 : 2 * random() - 1));
  const left = outside.filter(Boolean).length;
  const along = (d: readonly number[]) => (t: number) =>
    scalar(new Map(point).set(name, moved(value, base, d, t, width)));
  const problem = async (d: readonly number[]) => {
    let found: string | undefined;
    for (const step of BY_WIDTH[width].steps) {
      found = await disagreement(along(d), gradient, d, step, width);
      if (found === undefined) return undefined;
    }
    return found;
  };
  const all = await problem(direction);
  if (all === undefined) return { problem: undefined, kinks: left };
  const kinks: number[] = [];
  const search = async (start: number, end: number): Promise<void> => {
    const block = direction.map((d, index) => (index >= start && index < end ? d : 0));
    if (!(await isKink(along(block), width))) return;
    if (end - start === 1) {
      kinks.push(start);
      return;
    }
    const middle = (start + end) >> 1;
    await search(start, middle);
    await search(middle, end);
  };
  await search(0, base.length);
  if (kinks.length === 0) return { problem: `${name}: ${all}`, kinks: left };
  const smooth = direction.slice();
  for (const index of kinks) smooth[index] = 0;
  const rest = await problem(smooth);
  const where = `${name} without ${kinks.length} kinks of ${base.length} elements`;
  return {
    problem: rest === undefined ? undefined : `${where}: ${rest}`,
    kinks: left + kinks.length,
  };
}

function moved(
  value: Tensor,
  base: readonly number[],
  direction: readonly number[],
  t: number,
  width: Width,
): Tensor {
  const values = base.map((x, index) => x + t * (direction[index] ?? 0));
  return floatTensor(values, value.shape, width);
}

async function disagreement(
  along: (t: number) => Promise<number>,
  gradient: readonly number[] | undefined,
  direction: readonly number[],
  h: number,
  width: Width,
): Promise<string | undefined> {
  const { tolerance } = BY_WIDTH[width];
  let expected = 0;
  for (const [steps, weight] of [
    [-2, 1],
    [-1, -8],
    [1, 8],
    [2, -1],
  ] as const)
    expected += (weight * (await along(steps * h))) / (12 * h);
  // What is left out may be infinite.
  const part = (gradient ?? []).map((value, index) => (direction[index] === 0 ? 0 : value));
  const got = dot(part, direction);
  const magnitude = Math.sqrt(dot(part, part));
  const scale = Math.max(1, magnitude, Math.abs(expected));
  return Math.abs(expected - got) <= tolerance * scale
    ? undefined
    : `VJP gives ${got}, differences ${expected}`;
}

async function isKink(along: (t: number) => Promise<number>, width: Width): Promise<boolean> {
  const { steps, noise } = BY_WIDTH[width];
  const step = steps[1];
  const here = await along(0);
  const slopes = async (h: number) => {
    const [after, before] = [await along(h), await along(-h)];
    return { gap: Math.abs(after - 2 * here + before) / h, slope: (after - before) / (2 * h) };
  };
  const [wide, narrow] = [await slopes(step), await slopes(step / 2)];
  const bends = !(narrow.gap <= Math.max(noise, 0.75 * wide.gap));
  const jumps = !(Math.abs(narrow.slope) <= noise + 1.5 * Math.abs(wide.slope));
  return bends || jumps;
}
