// KFOC: finds the Kronecker pair that is closest to a layer's exact block, by alternating power iteration.
import { type BundleTensor, type TaskResult, unpackSymmetric } from '@kronlens/proto';
import type { Layer } from '../layers/index.js';
import { packedFrobenius } from '../merge/kronecker-difference.js';
import type { GroupFactors } from '../merge/layer-factors.js';
import { type KfocSide, planKfocStep } from '../programs/index.js';
import type { Engine } from './engine.js';
import { type PassSetting, runLayerPass } from './layer-pass.js';
import type { StageProgress } from './stage-progress.js';

/** Passes over the data at most: two a step. */
export const KFOC_PASSES = 16;
/** The iteration ends when the pair's Frobenius norm changes by less. */
const TOLERANCE = 1e-6;

function norm(values: Float64Array, n: number): number {
  return packedFrobenius({ name: '', shape: [n, n], symmetric: true, values });
}

/**
 * The pair A (x) B of every group that minimises ||H_g - A (x) B||_F, H_g the group's diagonal block:
 * A = R(B) / ||B||^2 and B = R'(A) / ||A||^2 in turn, R(B) = E[sum_c J_c B J_c^T]. B is scaled to the
 * norm of E[x x^T], from which the iteration starts.
 */
export async function runKfoc(
  engine: Engine,
  setting: PassSetting,
  layer: Layer,
  groups: readonly GroupFactors[],
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<readonly GroupFactors[]> {
  const { model, options, run } = setting;
  const [m = 0] = groups[0]?.output.shape ?? [];
  const [n = 0] = groups[0]?.input.shape ?? [];
  const step = async (side: KfocSide, others: readonly Float64Array[]) => {
    const size = side === 'output' ? n : m;
    const full = others.map((packed) => unpackSymmetric(packed, size));
    const pass = await planKfocStep(model, layer, side, full, options, run);
    const found = await runLayerPass(engine, setting, pass, progress, seen);
    return found.map(({ values }, group) => {
      const square = norm(others[group] ?? new Float64Array(), size) ** 2;
      // A dead layer: any pair is as good as none.
      return values.map((value) => (square === 0 ? 0 : value / square));
    });
  };
  // Scaled to norm 1, so that float32 holds what the programs multiply.
  const start = groups.map(({ input }) => norm(input.values, n));
  let inputs = groups.map(({ input }, group) => scaled(input.values, 1 / (start[group] || 1)));
  let outputs: readonly Float64Array[] = [];
  let before: readonly number[] = [];
  for (let pass = 0; pass < KFOC_PASSES; pass += 2) {
    outputs = await step('output', inputs);
    const sizes = outputs.map((output) => norm(output, m));
    const next = await step(
      'input',
      outputs.map((output, group) => scaled(output, 1 / (sizes[group] || 1))),
    );
    const norms = next.map((input) => norm(input, n));
    inputs = next.map((input, group) => scaled(input, 1 / (norms[group] || 1)));
    // ||A (x) B||: what the pair catches of the block.
    outputs = outputs.map((output, group) =>
      scaled(output, (norms[group] ?? 0) / (sizes[group] || 1)),
    );
    const last = before;
    before = norms;
    if (norms.every((value, g) => Math.abs(value - (last[g] ?? 0)) <= TOLERANCE * value)) break;
  }
  return groups.map((factors, group) => {
    const scale = start[group] || 1;
    const tensor = (like: BundleTensor, values: Float64Array | undefined, factor: number) => ({
      ...like,
      values: scaled(values ?? new Float64Array(), factor),
    });
    return {
      ...factors,
      input: tensor(factors.input, inputs[group], scale),
      output: tensor(factors.output, outputs[group], 1 / scale),
    };
  });
}

function scaled(values: Float64Array, factor: number): Float64Array {
  return values.map((value) => value * factor);
}
