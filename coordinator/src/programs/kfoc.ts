// KFOC: one half step of the power iteration towards the Kronecker pair that is closest to the exact block.
import { type GraphBuilder, ints, tensor } from '../graph/index.js';
import type { BuiltProgram } from './built-program.js';
import { emitJacobian, type GgnShape } from './ggn.js';
import { beginLayerProgram, type LayerProgramRequest } from './layer-program.js';
import { finishProgram } from './program-io.js';

/** Which factor the step yields, from the other one. */
export type KfocSide = 'output' | 'input';

export interface KfocProgramRequest extends LayerProgramRequest {
  readonly side: KfocSide;
  /** The other factor of every group: [n, n] for the output side, [m, m] for the input side. */
  readonly others: readonly Float64Array[];
  readonly name: string;
}

/**
 * A program with an output `kfoc` a group: sum over samples and columns of J_c B J_c^T (side output,
 * [m, m]) or J_c^T A J_c (side input, [n, n]), J_c [m, n] the Jacobian column of the group. These are
 * the products of the rearranged block with vec(B) and vec(A), whose leading singular pair is the
 * Frobenius-optimal Kronecker pair (Schnaus et al. 2021, "Kronecker-factored optimal curvature").
 */
export function buildKfocProgram(request: KfocProgramRequest): BuiltProgram {
  const { batch, layer, side } = request;
  const { b, inputs, outputs, factors } = beginLayerProgram(request);
  const { shape } = factors;
  const jacobian = emitJacobian(b, factors, shape);
  const size = side === 'output' ? shape.outDim : shape.inDim;
  const product = emitSandwich(b, jacobian, shape, side, request.others);
  outputs.addGroups('layer0', layer, 'kfoc', product, [size, size], 1);
  return finishProgram(b, request.name, batch, inputs, outputs);
}

/** [G, m, m] or [G, n, n]. */
function emitSandwich(
  b: GraphBuilder,
  jacobian: string,
  { batch, columns, groups, outDim: m, inDim: n }: GgnShape,
  side: KfocSide,
  others: readonly Float64Array[],
): string {
  const rows = batch * columns;
  const inner = side === 'output' ? n : m;
  const outer = side === 'output' ? m : n;
  const all = new Float32Array(groups * inner * inner);
  others.forEach((matrix, group) => {
    all.set(matrix, group * inner * inner);
  });
  const middle = b.constant(tensor.floatTensor(all, [groups, inner, inner]));
  // [G, outer, rows, inner]: every column J or J^T as rows of the outer dimension.
  const apart = b.reshape(jacobian, [rows, groups, m, n]);
  const perm = side === 'output' ? [1, 2, 0, 3] : [1, 3, 0, 2];
  const left = b.reshape(b.emit('Transpose', [apart], { perm: ints(perm) }), [
    groups,
    outer * rows,
    inner,
  ]);
  const multiplied = b.reshape(b.emit('MatMul', [left, middle]), [groups, outer, rows * inner]);
  const transposed = b.emit('Transpose', [b.reshape(left, [groups, outer, rows * inner])], {
    perm: ints([0, 2, 1]),
  });
  return b.emit('MatMul', [multiplied, transposed]);
}
