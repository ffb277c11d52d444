// EKFAC: the diagonal of the exact block in the Kronecker eigenbasis.
import { type GraphBuilder, int, ints, tensor } from '../graph/index.js';
import type { BuiltProgram } from './built-program.js';
import { emitJacobian, type GgnShape, type SampleFactors } from './ggn.js';
import { beginLayerProgram, type LayerProgramRequest } from './layer-program.js';
import { finishProgram } from './program-io.js';

/** Eigenvectors of the factors of one group, one a row. */
export interface KroneckerBasis {
  /** U of E[M], [m, m]. */
  readonly output: Float64Array;
  /** V of E[x x^T], [n, n]. */
  readonly input: Float64Array;
}

export interface EkfacProgramRequest extends LayerProgramRequest {
  /** One per group. */
  readonly basis: readonly KroneckerBasis[];
  readonly name: string;
}

/**
 * A program with one output `ekfac` [G, m, n]: sum over samples and columns of (u_a^T J_c v_b)^2, the
 * diagonal of the exact block in the basis of the u_a (x) v_b (George et al. 2018, arXiv 1806.03884,
 * eq. 7).
 */
export function buildEkfacProgram(request: EkfacProgramRequest): BuiltProgram {
  const { batch, layer, basis } = request;
  if (basis.length !== layer.groups) throw new Error(`layer '${layer.name}' has no basis`);
  const { b, inputs, outputs, factors } = beginLayerProgram(request);
  const { shape } = factors;
  const rotated = emitRotated(b, factors, shape, basis);
  outputs.add('layer0.ekfac', emitSquares(b, rotated, shape), {
    kind: 'ekfac',
    layer: layer.name,
    group: 0,
    shape: [shape.groups, shape.outDim, shape.inDim],
    symmetric: false,
    scale: 1,
  });
  return finishProgram(b, request.name, batch, inputs, outputs);
}

/** X V^T and g U^T: the sample factors in the coordinates of the eigenvectors. */
function emitRotated(
  b: GraphBuilder,
  factors: SampleFactors,
  shape: GgnShape,
  basis: readonly KroneckerBasis[],
): SampleFactors {
  const { batch, columns, groups, outDim: m, inDim: n } = shape;
  const stack = (matrices: readonly Float64Array[], size: number) => {
    const all = new Float32Array(groups * size * size);
    matrices.forEach((matrix, group) => {
      all.set(matrix, group * size * size);
    });
    const rows = b.constant(tensor.floatTensor(all, [groups, size, size]));
    return b.emit('Transpose', [rows], { perm: ints([0, 2, 1]) });
  };
  const right = stack(
    basis.map(({ input }) => input),
    n,
  );
  const left = stack(
    basis.map(({ output }) => output),
    m,
  );
  return {
    inputs: factors.inputs.map((x) => b.emit('MatMul', [x, right])),
    cotangents: factors.cotangents.map((g, use) => {
      const positions = shape.positions[use] ?? 1;
      const apart = [batch, columns, positions, groups, 1, m];
      const product = b.emit('MatMul', [b.reshape(g, apart), left]);
      return b.reshape(product, [batch, columns, positions * groups * m]);
    }),
  };
}

/** sum over samples and columns of J^2, entry by entry: [G, m, n]. */
function emitSquares(b: GraphBuilder, factors: SampleFactors, shape: GgnShape): string {
  const { batch, columns, groups, outDim: m, inDim: n } = shape;
  const square = (value: string) => b.emit('Mul', [value, value]);
  if (groups === 1 && shape.positions.length === 1 && shape.positions[0] === 1) {
    const g = b.emit('ReduceSum', [square(factors.cotangents[0] as string), b.ints([1])], {
      keepdims: int(0),
    });
    const x = b.reshape(square(factors.inputs[0] as string), [batch, n]);
    return b.reshape(b.emit('Gemm', [g, x], { transA: int(1) }), [1, m, n]);
  }
  const squares = square(emitJacobian(b, factors, shape));
  const total = b.emit(
    'ReduceSum',
    [b.reshape(squares, [batch * columns, groups * m * n]), b.ints([0])],
    {
      keepdims: int(0),
    },
  );
  return b.reshape(total, [groups, m, n]);
}
