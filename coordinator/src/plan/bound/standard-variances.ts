// The variances of a weight's entries, where its covariance is diagonal in a Kronecker eigenbasis.
import { KronlensError } from '@kronlens/proto';
import { type Evaluator, encodeModel, type Node, type Tensor, tensor } from '../../graph/index.js';

const node = (name: string, inputs: readonly string[]): Node => ({
  name,
  op: 'MatMul',
  domain: '',
  inputs,
  outputs: [name],
  attributes: {},
  metadata: new Map(),
});

const products = (inputs: readonly string[], nodes: readonly Node[]) =>
  encodeModel({
    opset: 20,
    irVersion: 9,
    inputs: inputs.map((name) => ({ name, dtype: 'float64', shape: [`${name}0`, `${name}1`] })),
    outputs: [{ name: 'variances', dtype: 'float64', shape: undefined }],
    nodes,
    initializers: new Map(),
    domains: new Map(),
  });

/** (A S) B in float64. */
const BOTH = products(['a', 's', 'b'], [node('as', ['a', 's']), node('variances', ['as', 'b'])]);
/** A S. */
const LEFT = products(['a', 's'], [node('variances', ['a', 's'])]);

/** Eigenvectors, one a row, [size, size]. */
export interface Rotation {
  readonly size: number;
  readonly vectors: Float64Array;
}

/**
 * Var[(U xi V^T)_ij] = sum_ab U_ia^2 Var[xi_ab] V_jb^2 for independent xi.
 * @param variances of xi, [m, n]
 * @param output U^T, [m, m]
 * @param input V^T, [n, n]; undefined: the identity, as of biases and embeddings
 * @returns [m, n]
 */
export async function standardVariances(
  variances: Float64Array,
  output: Rotation,
  input: Rotation | undefined,
  evaluator: Evaluator,
): Promise<Float64Array> {
  const m = output.size;
  const n = variances.length / m;
  const squared = ({ vectors }: Rotation) => vectors.map((value) => value * value);
  const feeds = new Map<string, Tensor>([
    ['a', tensor.floatTensor(transposed(squared(output), m), [m, m], 'float64')],
    ['s', tensor.floatTensor(variances, [m, n], 'float64')],
  ]);
  if (input !== undefined) feeds.set('b', tensor.floatTensor(squared(input), [n, n], 'float64'));
  const model = input === undefined ? LEFT : BOTH;
  const { tensors } = await evaluator.evaluate(model, feeds, ['variances']);
  const result = tensors.get('variances');
  if (result?.dtype !== 'float64' || result.bytes.byteLength !== 8 * m * n)
    throw new KronlensError('bad-task-result', 'the evaluation of posterior variances failed');
  return new Float64Array(result.bytes.slice().buffer);
}

function transposed(values: Float64Array, n: number): Float64Array {
  return values.map((_, index) => values[(index % n) * n + Math.floor(index / n)] ?? 0);
}
