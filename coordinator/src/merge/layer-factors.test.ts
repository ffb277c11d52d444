import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BundleTensor,
  create,
  decodeBundle,
  type ProgramOutput,
  ProgramOutputSchema,
} from '@kronlens/proto';
import { encodeLayerFactors, layerFactors, totalOf } from './layer-factors.js';

const outputs: ProgramOutput[] = [];
const sums = new Map<string, BundleTensor>();
function add(
  layer: string,
  kind: string,
  group: number,
  shape: number[],
  values: number[],
  scale = 1,
) {
  const name = `${layer}/${kind}/${group}`;
  const symmetric = shape.length === 2 && kind !== 'mean_map';
  outputs.push(
    create(ProgramOutputSchema, {
      name,
      layer,
      kind,
      group,
      shape: shape.map(BigInt),
      symmetric,
      scale,
    }),
  );
  sums.set(name, { name, shape, symmetric, values: Float64Array.from(values) });
}
for (const group of [1, 0]) {
  add('conv', 'input', group, [2, 2], [4, 2, 8 + group]);
  add('conv', 'output', group, [1, 1], [12], 0.5);
  add('conv', 'mean', group, [2], [1, 2], 0.25);
  add('conv', 'mean_map', group, [1, 3], [group, 4, 8]);
}
add('', 'loss', 0, [1], [2]);

const CONV = { name: 'conv', op: 'Conv', groups: 2, positions: 3 } as const;

test('a quantity is scale * sum / samples, group by group', () => {
  const { groups, meanMaps } = layerFactors(CONV, sums, outputs, 4);
  assert.deepEqual(
    groups.map(({ input, output, mean }) => [...input.values, ...output.values, ...mean.values]),
    [
      [1, 0.5, 2, 1.5, 0.0625, 0.125],
      [1, 0.5, 2.25, 1.5, 0.0625, 0.125],
    ],
  );
  assert.deepEqual(
    meanMaps.map(({ values }) => [...values]),
    [
      [0, 1, 2],
      [0.25, 1, 2],
    ],
  );
});

test('the bundle for the decompositions has one tensor a factor and group', () => {
  const factors = layerFactors(CONV, sums, outputs, 4);
  const gram = { name: '', shape: [2, 2], symmetric: true, values: Float64Array.of(1, 2, 3) };
  const bundle = decodeBundle(encodeLayerFactors(factors, [gram, gram]));
  assert.deepEqual(
    [...bundle.keys()],
    ['g0.input', 'g0.output', 'g1.input', 'g1.output', 'g0.mean_gram', 'g1.mean_gram'],
  );
  assert.deepEqual(bundle.get('g1.input')?.values, Float64Array.of(1, 0.5, 2.25));
});

test('totals of the model are found by kind; what is missing is said', () => {
  assert.equal(totalOf(sums, outputs, 'loss'), 2);
  assert.equal(totalOf(sums, outputs, 'correct'), undefined);
  assert.throws(
    () => layerFactors({ ...CONV, groups: 3 }, sums, outputs, 4),
    /the sums lack the input factor of layer 'conv'/,
  );
});

test("an embedding's input factor is a diagonal, and its mean the same over its positions", () => {
  const embedding = { name: 'wte', op: 'Gather', groups: 1, positions: 2 } as const;
  const tensors = [
    { name: 'c', kind: 'input_diagonal', shape: [3], symmetric: false, values: [8, 0, 4] },
    { name: 'o', kind: 'output', shape: [2, 2], symmetric: true, values: [1, 2, 3] },
  ].map((tensor) => ({ ...tensor, values: Float64Array.from(tensor.values) }));
  const found = layerFactors(
    embedding,
    new Map(tensors.map((tensor) => [tensor.name, tensor])),
    tensors.map(({ name, kind }) =>
      create(ProgramOutputSchema, { name, kind, layer: 'wte', scale: kind === 'output' ? 0.5 : 1 }),
    ),
    4,
  );
  const [group] = found.groups;
  assert.deepEqual(group?.input.values, Float64Array.of(2, 0, 1));
  assert.deepEqual(group?.mean.values, Float64Array.of(1, 0, 0.5));
  assert.deepEqual(group?.output.values, Float64Array.of(0.125, 0.25, 0.375));
  assert.deepEqual([found.meanMaps, found.exact], [[], undefined]);
});
