// Discarded results give their memory back at once; what the session was given stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ElementType } from '@kronlens/proto';
import { discard } from './discard.js';
import { runtimeTensor } from './tensor-types.js';

const tensor = (values: Float32Array<ArrayBuffer>) =>
  runtimeTensor(ElementType.FLOAT32, values, [values.length]);

test('results are detached, given memory and what lies in it is not', () => {
  const memory = new Float32Array(8).fill(3);
  const own = Float32Array.of(1, 2);
  const results = {
    own: tensor(own),
    // A binding that answers with the given memory itself.
    given: tensor(memory.subarray(0, 4)),
    again: tensor(own.subarray(1)),
  };
  discard(results, { own: null, given: tensor(memory.subarray(4)) });
  assert.equal(own.buffer.byteLength, 0);
  assert.deepEqual([...memory], new Array(8).fill(3));
  discard({}, {});
});

test('memory is given back without a collection', () => {
  const before = process.memoryUsage().arrayBuffers;
  const bytes = 2 ** 22;
  for (let use = 0; use < 64; use++) {
    discard({ sum: tensor(new Float32Array(bytes / 4)) }, {});
    assert.ok(process.memoryUsage().arrayBuffers < before + 4 * bytes);
  }
});
