// Layers get distinct, portable file names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { layerFileNames } from './layer-file-names.js';

fc.configureGlobal({ seed: 20 });

const namesOf = (...layers: string[]) => [...layerFileNames(layers).values()];

test('allowed characters stay, others become an underscore', () => {
  assert.deepEqual(namesOf('layer1.0.conv-1_a', '/net/fc 1', 'é/日'), [
    'layer1.0.conv-1_a',
    '_net_fc_1',
    '___',
  ]);
});

test('a name cannot leave the folder, hide itself or be empty', () => {
  assert.deepEqual(namesOf('..', '.hidden', '', '../x'), ['_', '_hidden', '_~2', '__x']);
});

test('layers that would share a file get numbers, in order', () => {
  assert.deepEqual(namesOf('a/b', 'a_b', 'a b'), ['a_b', 'a_b~2', 'a_b~3']);
  assert.deepEqual(namesOf('Conv', 'conv'), ['Conv', 'conv~2']);
  assert.deepEqual(namesOf('x.g0', 'x', 'y.g0'), ['x.g0~2', 'x', 'y.g0']);
});

test('the same layer twice is one layer', () => {
  assert.deepEqual([...layerFileNames(['a', 'a'])], [['a', 'a']]);
});

test('a long name is cut so that every file name fits into 255 bytes', () => {
  const [first = '', second = ''] = namesOf('x'.repeat(500), `${'x'.repeat(500)}y`);
  assert.equal(first, 'x'.repeat(160));
  assert.equal(second, `${'x'.repeat(160)}~2`);
});

test('no two files of the result folder share a name', () => {
  const layer = fc.oneof(
    fc.string({ maxLength: 4 }),
    fc.stringMatching(/^[aA.~_/]{0,3}(\.g[01])?(~2)?$/),
  );
  fc.assert(
    fc.property(fc.uniqueArray(layer, { maxLength: 12 }), (layers) => {
      const stems = namesOf(...layers);
      assert.equal(stems.length, layers.length);
      for (const stem of stems) assert.match(stem, /^[A-Za-z0-9_-][A-Za-z0-9._~-]*$/);
      const files = stems.flatMap((stem) =>
        ['', '.g0', '.g1'].map((group) => `${stem}${group}.input.arrow`.toLowerCase()),
      );
      assert.equal(new Set(files).size, files.length, JSON.stringify(layers));
    }),
    { numRuns: 500 },
  );
});
