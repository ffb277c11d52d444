// What doctor is told of this machine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { examineMachine } from './examine.js';

test('Node, the processor and ONNX Runtime are there where the tests run', async () => {
  const { rows } = await examineMachine();
  const byName = new Map(rows.map((row) => [row.name, row]));
  assert.deepEqual([...byName.keys()], ['node', 'processor', 'onnxruntime', 'linear algebra']);
  for (const name of ['node', 'processor', 'onnxruntime']) {
    assert.equal(byName.get(name)?.ok, true, byName.get(name)?.detail);
  }
  assert.match(byName.get('onnxruntime')?.detail ?? '', /^\d+\.\d+\.\d+, runs on the processor$/);
  assert.match(byName.get('processor')?.detail ?? '', /\d+ cores, \d+\.\d GiB of memory$/);
  // Whoever is told that something is missing is told what to do.
  for (const row of rows) assert.equal(row.ok, row.fix === undefined, row.name);
});
