// What is left behind by chains of epochs goes when no chain can need it, and not before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Leftovers } from './leftovers.js';

test('an artifact goes when all chains are past its epoch and none rests on it', async () => {
  const gone: string[] = [];
  const store = { delete: async (id: string) => void gone.push(id) };
  const leftovers = new Leftovers(store, ['appr', 'iter']);
  await leftovers.moved('appr', 10, ['state 10', 'basis 0']);
  leftovers.leave(['state 10'], 10);
  await leftovers.moved('appr', 20, ['state 20', 'basis 0']);
  assert.equal(gone.length, 0);
  await leftovers.moved('iter', 10, ['state 10', 'basis 0']);
  assert.equal(gone.length, 0);
  leftovers.leave(['state 10', 'basis 0'], 10);
  await leftovers.moved('iter', 20, ['state 20 of iter', 'basis 10']);
  assert.deepEqual([...new Set(gone)], ['state 10']);
  await leftovers.moved('appr', 30, ['state 30']);
  assert.ok(gone.includes('basis 0'));
});
