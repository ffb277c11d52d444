import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import { BadInputError, CancelledError, DiskFullError, KronlensError } from '@kronlens/proto';
import { CommanderError } from 'commander';
import { UsageError } from '../plan/usage-error.js';
import { failureOf, stackOf } from './exit-code.js';

test('bad input and usage end with 2, failures with 1, interruptions with 130', () => {
  const code = (error: unknown) => failureOf(error).exitCode;
  assert.equal(code(new BadInputError('bad-data', 'x')), 2);
  assert.equal(code(new DiskFullError('/out')), 2);
  assert.equal(code(new UsageError('x')), 2);
  assert.equal(code(new KronlensError('no-convergence', 'x')), 1);
  assert.equal(code(new CancelledError('x')), 130);
  assert.equal(code(new TypeError('x')), 1);
  assert.equal(code('a string'), 1);
});

test('messages are one sentence without what commander puts around it', () => {
  const usage = new CommanderError(
    1,
    'commander.unknownOption',
    "error: unknown option '--dat'\n(Did you mean --data?)",
  );
  assert.deepEqual(failureOf(usage), {
    message: "unknown option '--dat' (Did you mean --data?)",
    exitCode: 2,
  });
  assert.deepEqual(failureOf(new CommanderError(0, 'commander.helpDisplayed', '(outputHelp)')), {
    message: undefined,
    exitCode: 0,
  });
  assert.match(
    String(failureOf(new Error('first\nsecond')).message),
    /^internal error: first; run/,
  );
});

test('errors of the file system name the file', async () => {
  const error = await stat('/nowhere/file').catch((reason: unknown) => reason);
  assert.deepEqual(failureOf(error), {
    message: '/nowhere/file: there is no such file',
    exitCode: 2,
  });
  const full = Object.assign(new Error('write'), { code: 'ENOSPC', path: '/out/run.json' });
  assert.equal(failureOf(full).message, new DiskFullError('/out/run.json').message);
});

test('stacks include causes', () => {
  const stack = stackOf(new Error('outer', { cause: new TypeError('inner') }));
  assert.match(stack, /Error: outer[\s\S]+caused by TypeError: inner/);
});
