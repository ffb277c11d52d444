// Gather: rows along one axis, picked by an index tensor.
import { int, intAttribute } from '../attributes.js';
import { elementCount, type Tensor } from '../graph.js';
import { floatTensor, intTensor, tensorNumbers } from '../tensor.js';
import { at } from '../window.js';
import { scatteredRows } from './indexed-rows.js';
import type { OpRule, Vjp } from './op-rule.js';
import { input, widthOf } from './pointwise.js';

/** Up to this many entries the rows are scattered by a product with the 0/1 selection matrix. */
const SMALL_SELECTION = 4096;

const vjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  const { build, columns, node, type } = c;
  const { shape } = type(input(c, 0));
  const given = intAttribute(node, 'axis', 0);
  const axis = given < 0 ? given + shape.length : given;
  const size = at(shape, axis);
  const count = elementCount(type(input(c, 1)).shape);
  const before = elementCount(shape.slice(0, axis)) * columns;
  const after = elementCount(shape.slice(axis + 1));
  const dtype = widthOf(c, input(c, 0));
  const rows = build.reshape(g, [before, count, after]);
  const indices = c.constant(input(c, 1));
  const pulled =
    indices !== undefined && size * count <= SMALL_SELECTION
      ? build.emit('MatMul', [build.constant(selection(indices, size, dtype)), rows])
      : scatteredRows(build, rows, input(c, 1), { before, size, after, count, dtype });
  return [build.reshape(pulled, [columns, ...shape])];
};

/** [size, count]: 1 where the index of the column is the row. */
function selection(indices: Tensor, size: number, dtype: 'float32' | 'float64'): Tensor {
  const wrapped = tensorNumbers(indices).map((index) => (index < 0 ? index + size : index));
  const entries = Array.from({ length: size }, (_, row) =>
    wrapped.map((index) => (index === row ? 1 : 0)),
  );
  return floatTensor(entries.flat(), [size, wrapped.length], dtype);
}

export const gather: OpRule = {
  op: 'Gather',
  vjp,
  linearity: 'linear',
  examples: [
    {
      name: 'repeated',
      attributes: { axis: int(1) },
      inputs: [{ shape: [2, 4, 3] }, intTensor([1, 3, 1, -1])],
    },
    { name: 'scalar index', inputs: [{ shape: [4, 3] }, intTensor([2], [])] },
    {
      name: 'many indices',
      attributes: { axis: int(-1) },
      inputs: [
        { shape: [2, 70] },
        intTensor(
          Array.from({ length: 60 }, (_, i) => ((i * 37) % 90) - 20),
          [6, 10],
        ),
      ],
    },
  ],
};
