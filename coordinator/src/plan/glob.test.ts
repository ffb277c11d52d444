import assert from 'node:assert/strict';
import { test } from 'node:test';
import { globMatches, selectNames } from './glob.js';

test('patterns match whole names; dots and brackets of names are literal', () => {
  assert.ok(globMatches('conv*', 'conv1'));
  assert.ok(globMatches('layer1.*', 'layer1.0.conv1'));
  assert.ok(globMatches('fc?', 'fc2'));
  assert.ok(globMatches('fc[12]', 'fc2'));
  assert.ok(globMatches('fc[!12]', 'fc3'));
  assert.ok(globMatches('a+b(c)', 'a+b(c)'));
  assert.ok(globMatches('x[', 'x['));
  assert.ok(!globMatches('fc', 'fc1'));
  assert.ok(!globMatches('layer1.0', 'layer1x0'));
  assert.ok(!globMatches('fc[!12]', 'fc2'));
});

test('selection keeps the order, applies exclusion last and names patterns without a match', () => {
  const names = ['conv1', 'conv2', 'fc1', 'fc2'];
  assert.deepEqual(selectNames(names, [], []), { selected: names, unmatched: [] });
  assert.deepEqual(selectNames(names, ['fc*', 'conv1', 'gone'], ['*2']), {
    selected: ['conv1', 'fc1'],
    unmatched: ['gone'],
  });
});
