// The commands but analyze: help, version, inspect, doctor.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ints } from '../graph/index.js';
import { examplePath, kronlens } from '../testing/kronlens-process.js';
import { changedModel, networkBytes, writeModel } from '../testing/model-file.js';
import { inTemporaryFolder } from '../testing/result-folder.js';
import { node } from '../testing/small-graph.js';
import { VERSION } from '../version.js';

test('help has examples and goes to stdout; without a command it goes to stderr with 2', async () => {
  const [help, analyze, none, version] = await Promise.all([
    kronlens('--help'),
    kronlens('analyze', '--help'),
    kronlens(),
    kronlens('--version'),
  ]);
  assert.deepEqual([help.code, help.stderr], [0, '']);
  assert.match(help.stdout, /Examples:\n {2}kronlens doctor/);
  assert.match(analyze.stdout, /Examples:\n {2}kronlens analyze model\.onnx --data/);
  assert.deepEqual([none.code, none.stdout], [2, '']);
  assert.match(none.stderr, /^Usage: kronlens/);
  assert.deepEqual(version, { code: 0, stdout: `${VERSION}\n`, stderr: '' });
});

test('inspect of an unsupported model counts ops, and names the layers that each blocks', async () => {
  const crop = (from: string, to: string) =>
    node('CenterCropPad', [from, 'width'], [to], { axes: ints([1]) });
  const bytes = networkBytes([
    node('Constant', [], ['width'], { value_ints: ints([5]) }),
    crop('hidden', 'once'),
    crop('once', 'active'),
  ]);
  await inTemporaryFolder(async (folder) => {
    const model = await writeModel(join(folder, 'model.onnx'), bytes);
    const [table, json] = await Promise.all([
      kronlens('inspect', model),
      kronlens('inspect', model, '--json'),
    ]);
    assert.equal(table.code, 0, table.stderr);
    assert.match(table.stdout, /^fc2 +MatMul +fc2\.weight/m);
    assert.match(table.stdout, /^unsupported op CenterCropPad: 2 nodes, .*the output and fc1$/m);
    const { layers, skipped, unsupportedOps } = JSON.parse(json.stdout);
    const names = (all: readonly { name: string }[]) => all.map(({ name }) => name);
    assert.deepEqual([names(layers), names(skipped)], [['fc2'], ['fc1']]);
    assert.deepEqual(unsupportedOps, [{ op: 'CenterCropPad', count: 2, blocks: ['fc1'] }]);
  });
});

test('inspect shows the layers as a table and as JSON', async () => {
  const model = examplePath('digits/lenet.onnx');
  const [table, json] = await Promise.all([
    kronlens('inspect', model),
    kronlens('inspect', model, '--json'),
  ]);
  assert.equal(table.code, 0, table.stderr);
  assert.match(table.stdout, /^conv2 +Conv +conv2\.weight +16x54 +16 +864 +conv2\.bias +yes +1$/m);
  const { inputs, logits, layers, skipped } = JSON.parse(json.stdout);
  assert.deepEqual(inputs, [{ name: 'x', dtype: 'float32', shape: [1, 8, 8] }]);
  assert.equal(logits.outputs, 10);
  assert.deepEqual(
    layers.map((layer: { name: string; positions: number; groups: number }) => [
      layer.name,
      layer.positions,
      layer.groups,
    ]),
    [
      ['conv1', 64, 1],
      ['conv2', 16, 1],
      ['fc1', 1, 1],
      ['fc2', 1, 1],
      ['fc3', 1, 1],
    ],
  );
  assert.deepEqual(skipped, []);
});

test('inspect takes sizes that the file leaves open', () =>
  inTemporaryFolder(async (folder) => {
    const bytes = changedModel(networkBytes(), (model) => {
      const type = model.graph?.input[0]?.type?.value;
      const dimension = type?.case === 'tensorType' ? type.value.shape?.dim[1] : undefined;
      if (dimension === undefined) throw new Error('the network has no second axis');
      dimension.value = { case: 'dimParam', value: 'features' };
    });
    const path = await writeModel(join(folder, 'open.onnx'), bytes);
    const open = await kronlens('inspect', path);
    assert.equal(open.code, 2);
    assert.match(open.stderr, /^kronlens: the model's input 'x' leaves the size of axis 1 open/);
    const given = await kronlens('inspect', path, '--shape', 'x=4');
    assert.equal(given.code, 0, given.stderr);
    assert.match(given.stdout, /^fc1 +MatMul +fc1\.weight +5x4 /m);
  }));

test('doctor says what is there, as text and as JSON, and ends with 1 when something is missing', async () => {
  const [text, json] = await Promise.all([kronlens('doctor'), kronlens('doctor', '--json')]);
  const { ok, rows } = JSON.parse(json.stdout);
  assert.equal(json.code, ok ? 0 : 1);
  assert.equal(text.code, json.code);
  for (const row of rows) assert.match(text.stdout, new RegExp(`^(ok|missing) +${row.name} `, 'm'));
  assert.ok(rows.some(({ name }: { name: string }) => name === 'onnxruntime'));
});
