// ONNX's backend node tests: stored outputs are reproduced through the passes, VJPs match finite differences.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readNodeTests } from '../testing/node-tests/node-test.js';
import { readExpectation, TABLE_FILE, withTable } from '../testing/node-tests/recorded.js';
import { differences } from '../testing/node-tests/tally.js';
import { isFloatingPoint, judge, type Verdict } from '../testing/node-tests/verdict.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));

test('every floating-point node test is as recorded: supported, or refused for a reason', async (t) => {
  const recorded = readExpectation();
  const matches = `import onnx, sys; sys.exit(onnx.__version__ != '${recorded.onnx}')`;
  const python = [join(root, '.venv/bin/python'), 'python3'].find(
    (command) => spawnSync(command, ['-c', matches]).status === 0,
  );
  if (python === undefined) {
    t.skip(`no Python with onnx ${recorded.onnx} in .venv or as python3: run scripts/test.sh`);
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-node-tests-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const script = join(root, 'scripts/make-node-tests.py');
  const made = spawnSync(python, [script, folder], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  const all = readNodeTests(folder);
  const verdicts: Verdict[] = [];
  for (const one of all.filter(isFloatingPoint)) verdicts.push(await judge(one));
  assert.deepEqual(differences(recorded, verdicts), []);
  const text = await readFile(TABLE_FILE, 'utf8');
  assert.ok(
    text === withTable(text, recorded, all.length),
    'the table in CONTRIBUTING.md is not that of the recorded verdicts',
  );
});
