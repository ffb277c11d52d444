// Runs are named by as much of their paths as tells them apart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runNames } from './run-names.js';

test('the last component, or as many as it takes', () => {
  assert.deepEqual(runNames(['out/a', 'out/b/']), ['a', 'b']);
  assert.deepEqual(runNames(['x/1/run', 'x/2/run', 'y/other']), ['1/run', '2/run', 'y/other']);
  assert.deepEqual(runNames(['/run', '/x/run']), ['/run', '/x/run']);
  assert.deepEqual(runNames(['.']), [process.cwd().split('/').at(-1)]);
});

test('the same folder twice is refused, however it is written', () => {
  assert.throws(() => runNames(['out/a', 'out/b', './out/../out/a/']), {
    code: 'same-run',
    message: 'the folder ./out/../out/a/ is given twice; name every run once',
  });
});
