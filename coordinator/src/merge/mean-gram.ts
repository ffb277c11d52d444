// E[X] E[X]^T of a layer with several positions, whose top eigenvector is the direction of E[X].
import { type BundleTensor, KronlensError, packSymmetric } from '@kronlens/proto';
import { type Evaluator, tensor } from '../graph/index.js';
import type { MeanGram } from '../programs/index.js';

/**
 * @param maps the mean input maps of the layer's uses
 * @returns one packed n x n matrix a group
 */
export async function evaluateMeanGrams(
  gram: MeanGram,
  maps: readonly BundleTensor[],
  evaluator: Evaluator,
): Promise<readonly BundleTensor[]> {
  const feeds = new Map(
    gram.inputs.map((name, index) => {
      const map = maps[index];
      if (map === undefined) throw new Error(`use ${index} has no mean input map`);
      return [name, tensor.floatTensor(map.values, gram.shapes[index] ?? map.shape, 'float64')];
    }),
  );
  const { tensors } = await evaluator.evaluate(gram.model, feeds, ['gram']);
  const result = tensors.get('gram');
  const { groups, dim } = gram;
  const size = dim * dim;
  if (result?.dtype !== 'float64' || result.bytes.byteLength !== 8 * groups * size)
    throw new KronlensError('bad-task-result', 'the evaluation of a mean Gram matrix failed');
  const values = new Float64Array(result.bytes.slice().buffer);
  return Array.from({ length: groups }, (_, group) => ({
    name: `g${group}`,
    shape: [dim, dim],
    symmetric: true,
    values: packSymmetric(values.subarray(group * size, (group + 1) * size), dim),
  }));
}
