// Frames of bundles: the bytes are those of the bundle with the values that were written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BundleLayout, encodeBundle } from './bundle-layout.js';
import { decodeBundle, storedLength } from './tensor-bundle.js';

fc.configureGlobal({ seed: 20 });

const layouts = fc
  .array(
    fc.record({
      shape: fc.oneof(
        fc.integer({ min: 1, max: 5 }).map((n) => [n, n]),
        fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
      ),
      symmetric: fc.boolean(),
    }),
    { maxLength: 5 },
  )
  .map((list) =>
    list.map(({ shape, symmetric }, index) => ({
      name: `t${index}`,
      shape,
      symmetric: symmetric && shape.length === 2 && shape[0] === shape[1],
    })),
  );

test('a frame whose values are written is the bundle, however it is cut', () => {
  fc.assert(
    fc.property(layouts, fc.integer({ min: 1, max: 30 }), (tensors, mostValues) => {
      const layout = new BundleLayout(tensors, mostValues);
      for (const seed of [1, 2]) {
        const filled = tensors.map((tensor) => ({
          ...tensor,
          values: Float64Array.from(
            { length: storedLength(tensor.shape, tensor.symmetric) },
            (_, i) => seed + i / 8,
          ),
        }));
        const frame = layout.frame();
        for (const { name, values } of filled) frame.values.get(name)?.set(values);
        const bytes = frame.finish();
        assert.deepEqual(bytes, encodeBundle(filled, mostValues));
        assert.deepEqual([...decodeBundle(bytes).values()], filled);
        assert.equal(bytes.byteLength, bytes.buffer.byteLength);
      }
    }),
  );
});

test('values are where they are stored: no copy is made of them', () => {
  const frame = new BundleLayout([{ name: 'x', shape: [2, 2], symmetric: true }]).frame();
  const values = frame.values.get('x');
  values?.set([1, 2, 3]);
  assert.equal(values?.buffer, frame.finish().buffer);
});
