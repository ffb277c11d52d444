import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadInputError } from '@kronlens/proto';
import type { Discovery, Layer } from '../layers/index.js';
import { BlockedLayersError, chooseLayers, type LayerChoice } from './choose-layers.js';
import { UsageError } from './usage-error.js';

const layer = (name: string): Layer => ({
  name,
  op: 'Gemm',
  weight: `${name}.weight`,
  outDim: 2,
  inDim: 3,
  groups: 1,
  positions: 1,
  params: 6,
  bias: undefined,
  piecewiseLinear: true,
  uses: [],
});
const clean: Discovery = {
  layers: ['conv1', 'fc1', 'fc2'].map(layer),
  skipped: [],
  unsupported: [],
};
const blocked: Discovery = {
  layers: [layer('fc2')],
  skipped: [{ name: 'fc1', op: 'Gemm', reason: 'unsupported op Foo' }],
  unsupported: [{ op: 'Foo', node: 'bar', blocks: ['fc1'] }],
};
const choose = (discovery: Discovery, choice: Partial<LayerChoice> = {}) =>
  chooseLayers('m.onnx', discovery, 18, {
    layers: [],
    exclude: [],
    skipUnsupported: false,
    ...choice,
  });

test('patterns choose layers; one that matches nothing is an error that lists the names', () => {
  assert.deepEqual(choose(clean, { layers: ['fc*'], exclude: ['fc1', 'gone'] }), {
    layers: [clean.layers[2]],
    skipped: [],
    warnings: ["--exclude 'gone' matches no layer"],
  });
  assert.throws(
    () => choose(clean, { layers: ['fc*', 'gone'] }),
    new UsageError("--layers 'gone' matches no layer of m.onnx; it has conv1, fc1, fc2"),
  );
  assert.throws(() => choose(clean, { exclude: ['*'] }), UsageError);
});

test('an unsupported op is named with its node and the layers that it blocks', () => {
  assert.throws(
    () => choose(blocked),
    (error: unknown) => {
      assert.ok(error instanceof BlockedLayersError);
      assert.equal(
        error.message,
        "m.onnx: unsupported op Foo in node 'bar' (opset 18) blocks the layer fc1; --skip-unsupported analyses the other layer (fc2)",
      );
      return true;
    },
  );
  assert.deepEqual(
    choose(blocked, { skipUnsupported: true }).skipped.map(({ name }) => name),
    ['fc1'],
  );
  assert.deepEqual(
    choose(blocked, { layers: ['fc2'] }).layers.map(({ name }) => name),
    ['fc2'],
  );
});

test('no layer that can be analysed is an error even when layers may be skipped', () => {
  const none = { ...blocked, layers: [] };
  assert.throws(() => choose(none, { skipUnsupported: true }), /no other layer is left/);
  assert.throws(
    () => choose({ layers: [], skipped: [], unsupported: [] }),
    (error: unknown) => error instanceof BadInputError && error.code === 'no-layer',
  );
  const refused = {
    layers: [],
    skipped: [{ name: 'fc', op: 'Gemm', reason: 'why' }],
    unsupported: [],
  };
  assert.throws(
    () => choose(refused),
    /m\.onnx has no layer that can be analysed \(Gemm 'fc': why\)/,
  );
});

test('a weight with two roles is warned of once; factors that are too large are refused', () => {
  const tied: Discovery = {
    ...clean,
    layers: [
      { ...layer('wte'), op: 'Gather', inDim: 50000, tiedTo: 'head' },
      layer('fc'),
      { ...layer('head'), outDim: 50000, tiedTo: 'wte' },
    ],
  };
  const all = choose(tied);
  assert.deepEqual(
    all.layers.map(({ name }) => name),
    ['wte', 'fc'],
  );
  assert.deepEqual(all.skipped, [
    {
      name: 'head',
      op: 'Gemm',
      reason: 'its E[M] would be 50000 x 50000, which takes 19 GiB',
    },
  ]);
  assert.equal(all.warnings.length, 1);
  assert.match(all.warnings[0] ?? '', /'wte' and 'head' share the weight 'wte.weight'/);
  assert.throws(() => choose(tied, { layers: ['head'] }), /head': its E\[M\] would be 50000/);
});
