// ReverseSequence: its own transpose.
import { int, intAttribute, ints } from '../attributes.js';
import { intTensor } from '../tensor.js';
import type { OpRule, Vjp } from './op-rule.js';
import { input } from './pointwise.js';

/** Columns join the batch, on whichever of the two first axes it is. */
const vjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  const { build, columns, node } = c;
  const shape = c.type(input(c, 0)).shape;
  const [first = 1, second = 1, ...rest] = shape;
  const lengths = build.emit('Tile', [input(c, 1), build.ints([columns])]);
  const reversed = (value: string) =>
    build.emit('ReverseSequence', [value, lengths], node.attributes);
  if (intAttribute(node, 'batch_axis', 1) === 0) {
    const together = build.reshape(g, [columns * first, second, ...rest]);
    return [build.reshape(reversed(together), [columns, ...shape])];
  }
  const swap = { perm: ints([1, 0, ...shape.slice(1).map((_, axis) => axis + 2)]) };
  const turned = build.emit('Transpose', [g], swap);
  const together = build.reshape(turned, [first, columns * second, ...rest]);
  const back = build.reshape(reversed(together), [first, columns, second, ...rest]);
  return [build.emit('Transpose', [back], swap)];
};

export const reverseSequence: OpRule = {
  op: 'ReverseSequence',
  vjp,
  linearity: 'linear',
  examples: [
    { name: 'time first', inputs: [{ shape: [4, 3, 2] }, intTensor([4, 1, 2])] },
    {
      name: 'batch first',
      attributes: { batch_axis: int(0), time_axis: int(1) },
      inputs: [{ shape: [2, 4] }, intTensor([3, 4])],
    },
  ],
};
