import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderUnsupported, unsupportedOps } from './unsupported-ops.js';

const UNSUPPORTED = [
  { op: 'Loop', node: 'loop', blocks: ['fc1'] },
  { op: 'Det', node: 'det_1', blocks: ['fc1', 'fc2'] },
  { op: 'Det', node: 'det_2', blocks: ['fc2', 'fc3'] },
];

test('unsupported ops are counted, with each layer that they block once', () => {
  assert.deepEqual(unsupportedOps({ unsupported: UNSUPPORTED }), [
    { op: 'Det', count: 2, blocks: ['fc1', 'fc2', 'fc3'] },
    { op: 'Loop', count: 1, blocks: ['fc1'] },
  ]);
  assert.deepEqual(renderUnsupported({ unsupported: UNSUPPORTED }), [
    'unsupported op Det: 2 nodes, between the output and fc1, fc2, fc3',
    'unsupported op Loop: 1 node, between the output and fc1; loops are not differentiated: export the model with the loop unrolled',
  ]);
});
