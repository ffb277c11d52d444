// Errors survive their wire form: code, message, facts and causes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ErrorReportSchema } from '../gen/kronlens/v1/task_pb.js';
import { fromErrorReport, toErrorReport } from './error-report.js';
import { BadInputError, CancelledError, DiskFullError, KronlensError } from './kronlens-error.js';

fc.configureGlobal({ seed: 20 });

function overTheWire(error: unknown): KronlensError {
  const bytes = toBinary(ErrorReportSchema, toErrorReport(error));
  return fromErrorReport(fromBinary(ErrorReportSchema, bytes));
}

const facts = (error: KronlensError) => ({
  code: error.code,
  message: error.message,
  retryable: error.retryable,
  badInput: error.badInput,
  details: error.details,
});

test('any code, message and facts come back as they were', () => {
  const error = fc.record({
    code: fc.string(),
    message: fc.string(),
    retryable: fc.boolean(),
    badInput: fc.boolean(),
    details: fc.dictionary(
      fc.string().filter((key) => key !== 'bad-input' && key !== '__proto__'),
      fc.string(),
      { noNullPrototype: true },
    ),
  });
  fc.assert(
    fc.property(error, ({ code, message, ...rest }) => {
      const sent = new KronlensError(code, message, rest);
      assert.deepEqual(facts(overTheWire(sent)), facts(sent));
    }),
  );
});

test('a code that no class of ours has stays', () => {
  assert.equal(overTheWire(new KronlensError('from-the-future', 'x')).code, 'from-the-future');
});

test('the classes keep their facts', () => {
  assert.deepEqual(facts(overTheWire(new DiskFullError('/data'))), {
    code: 'disk-full',
    message: "no space left on the device of '/data'; free some and run again with --resume",
    retryable: false,
    badInput: true,
    details: { path: '/data' },
  });
  assert.equal(overTheWire(new BadInputError('bad-data', 'x', { file: 'a.npz' })).badInput, true);
  assert.equal(overTheWire(new CancelledError('the run')).message, 'the run was cancelled');
});

test('causes follow their error, ours and foreign ones', () => {
  const system = Object.assign(new Error('EACCES'), { code: 'EACCES' });
  const middle = new KronlensError('middle', 'second', { retryable: true, cause: system });
  const received = overTheWire(new BadInputError('outer', 'first', {}, middle));
  assert.ok(received.cause instanceof KronlensError);
  assert.deepEqual(facts(received.cause), facts(middle));
  assert.ok(received.cause.cause instanceof KronlensError);
  assert.equal(received.cause.cause.code, 'internal');
  assert.equal(received.cause.cause.message, 'EACCES');
  assert.equal(received.cause.cause.cause, undefined);
});

test('the stack is that of where the error arose', () => {
  const sent = new KronlensError('a', 'b');
  assert.equal(overTheWire(sent).stack, sent.stack);
});

test('a circle of causes ends', () => {
  const error = new Error('round');
  error.cause = error;
  let depth = 0;
  for (let at: unknown = overTheWire(error); at instanceof Error; at = at.cause) depth += 1;
  assert.ok(depth > 1 && depth < 20, `${depth} errors`);
});

test('what is thrown but is no Error has a message', () => {
  assert.equal(overTheWire('plain text').message, 'plain text');
  assert.equal(overTheWire(undefined).message, 'undefined');
  assert.equal(overTheWire(Object.create(null)).message, '[object Object]');
});
