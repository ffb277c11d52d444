// Ops that move blocks between channels and space, and that sum or cut along triangles.
import { int, intAttribute, ints, stringAttribute } from '../attributes.js';
import { intTensor } from '../tensor.js';
import { constantNumbers } from './constant-input.js';
import type { OpRule, Vjp } from './op-rule.js';
import { input } from './pointwise.js';

/** [N, C b b, H, W] to [N, C, H b, W b]; DCR has the block's axes before C, CRD behind it. */
const depthToSpaceVjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  const [n = 0, channels = 0, height = 0, width = 0] = c.type(input(c, 0)).shape;
  const block = intAttribute(c.node, 'blocksize', 1);
  const depth = channels / block ** 2;
  const blocks = c.build.reshape(g, [c.columns * n, depth, height, block, width, block]);
  const perm =
    stringAttribute(c.node, 'mode', 'DCR') === 'CRD' ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4];
  const back = c.build.emit('Transpose', [blocks], { perm: ints(perm) });
  return [c.build.reshape(back, [c.columns, n, channels, height, width])];
};

/** [N, C, H b, W b] to [N, b b C, H, W]. */
const spaceToDepthVjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  const [n = 0, channels = 0, height = 0, width = 0] = c.type(input(c, 0)).shape;
  const block = intAttribute(c.node, 'blocksize', 1);
  const [rows, columns] = [height / block, width / block];
  const blocks = c.build.reshape(g, [c.columns * n, block, block, channels, rows, columns]);
  const back = c.build.emit('Transpose', [blocks], { perm: ints([0, 3, 4, 1, 5, 2]) });
  return [c.build.reshape(back, [c.columns, n, channels, height, width])];
};

/** What a prefix sum adds up from the front, its transpose adds up from the end. */
const cumSumVjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  const rank = c.type(input(c, 0)).shape.length;
  const [given = 0] = constantNumbers(c, 1) ?? [];
  const axis = c.build.constant(intTensor([(given < 0 ? given + rank : given) + 1], []));
  const reverse = 1 - intAttribute(c.node, 'reverse', 0);
  return [c.build.emit('CumSum', [g, axis], { ...c.node.attributes, reverse: int(reverse) })];
};

const triluVjp: Vjp = (c, [g]) =>
  g === undefined || !c.wants(0)
    ? []
    : [c.build.emit('Trilu', [g, ...c.node.inputs.slice(1)], c.node.attributes)];

const blocks2 = { blocksize: int(2) };

/** Blocks, prefix sums and triangles, in the table's order. */
export const BLOCK_RULES: readonly OpRule[] = [
  {
    op: 'DepthToSpace',
    vjp: depthToSpaceVjp,
    linearity: 'linear',
    examples: [
      { name: 'depth first', attributes: blocks2, inputs: [{ shape: [2, 12, 2, 3] }] },
      {
        name: 'columns first',
        attributes: { ...blocks2, mode: { kind: 'string', value: 'CRD' } },
        inputs: [{ shape: [2, 8, 2, 1] }],
      },
    ],
  },
  {
    op: 'SpaceToDepth',
    vjp: spaceToDepthVjp,
    linearity: 'linear',
    examples: [{ name: 'blocks', attributes: blocks2, inputs: [{ shape: [2, 3, 4, 6] }] }],
  },
  {
    op: 'CumSum',
    vjp: cumSumVjp,
    linearity: 'linear',
    examples: [
      { name: 'last axis', inputs: [{ shape: [2, 4] }, intTensor([-1], [])] },
      {
        name: 'exclusive, from the end',
        attributes: { exclusive: int(1), reverse: int(1) },
        inputs: [{ shape: [4, 2] }, intTensor([0], [])],
      },
    ],
  },
  {
    op: 'Trilu',
    vjp: triluVjp,
    linearity: 'linear',
    examples: [
      { name: 'upper', inputs: [{ shape: [2, 3, 4] }] },
      {
        name: 'lower, above the diagonal',
        attributes: { upper: int(0) },
        inputs: [{ shape: [4, 3] }, intTensor([1], [])],
      },
    ],
  },
];
