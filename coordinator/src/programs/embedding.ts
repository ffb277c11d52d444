// The sums of an embedding: its input factor is diagonal, so it is counted rather than multiplied out.
import { type GraphBuilder, tensor, typeOf } from '../graph/index.js';
import type { Layer, LayerUse } from '../layers/index.js';
import type { FactorProgramRequest } from './factors.js';
import { emitSum } from './gram.js';
import { linearRows } from './layer-inputs.js';

/**
 * The diagonal of sum_p x_p x_p^T, summed over the batch: how often each row is picked, [n].
 * Nothing of size n x n is formed.
 * @param weight [B], 0 for padded samples
 */
export function emitRowCounts(
  b: GraphBuilder,
  request: Pick<FactorProgramRequest, 'graph' | 'batch' | 'places'>,
  layer: Layer,
  weight: string | undefined,
): string {
  return emitSum(
    b,
    layer.uses.map((use) => emitUseCounts(b, request, layer, use, weight)),
  );
}

function emitUseCounts(
  b: GraphBuilder,
  { graph, batch, places }: Pick<FactorProgramRequest, 'graph' | 'batch' | 'places'>,
  layer: Layer,
  use: LayerUse,
  weight: string | undefined,
): string {
  const { shape } = typeOf(graph, use.input);
  const apart = [...shape, 1];
  const column = b.reshape(use.input, apart);
  const rows = linearRows(b, layer, column, apart, shape.length, 0, places, batch, use.input);
  const count = batch * rows.positions;
  const indices = b.emit('Cast', [b.reshape(rows.value, [count])], {
    to: { kind: 'int', value: 7 },
  });
  const ones = b.constant(
    tensor.floatTensor(new Float32Array(count).fill(1), [batch, rows.positions]),
  );
  const updates =
    weight === undefined ? ones : b.emit('Mul', [ones, b.reshape(weight, [batch, 1])]);
  const zeros = b.constant(tensor.floatTensor(new Float32Array(layer.inDim), [layer.inDim]));
  return b.emit('ScatterElements', [zeros, indices, b.reshape(updates, [count])], {
    axis: { kind: 'int', value: 0 },
    reduction: { kind: 'string', value: 'add' },
  });
}
