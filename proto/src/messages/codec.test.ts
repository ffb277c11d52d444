// Messages come back as sent, malformed bytes are refused, and a task's id means its result.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ProgramSchema, Reduction } from '../gen/kronlens/v1/program_pb.js';
import {
  CurvatureTaskSchema,
  PosteriorDrawsTaskSchema,
  PosteriorTaskSchema,
  ProgramTaskSchema,
  type Task,
  TaskResultSchema,
  TaskSchema,
} from '../gen/kronlens/v1/task_pb.js';
import { DataArraySchema, DataFormat, ElementType } from '../gen/kronlens/v1/tensor_pb.js';
import {
  decodeProgram,
  decodeResult,
  decodeTask,
  encodeProgram,
  encodeResult,
  encodeTask,
  MalformedMessageError,
  taskId,
} from './codec.js';

fc.configureGlobal({ seed: 20 });

const array = (path: string, changes: { sha256?: string; member?: string; scale?: number } = {}) =>
  create(DataArraySchema, {
    name: 'x',
    path,
    format: DataFormat.NPZ,
    member: 'x',
    type: ElementType.UINT8,
    shape: [1000n, 1n, 28n, 28n],
    sha256: 'ab'.repeat(32),
    ...changes,
  });

type Changes = MessageInitShape<typeof ProgramTaskSchema>;
const programTask = (changes: Changes = {}, codeVersion = '1'): Task =>
  create(TaskSchema, {
    codeVersion,
    kind: {
      case: 'program',
      value: create(ProgramTaskSchema, {
        program: 'cd'.repeat(32),
        arrays: [array('/data/a.npz')],
        samples: 1000n,
        firstBatch: 0n,
        batchCount: 4n,
        seed: 1n,
        ...changes,
      }),
    },
  });

test('a task, a program and a result come back as sent', () => {
  const task = programTask();
  assert.deepEqual(decodeTask(encodeTask(task)), task);
  const program = create(ProgramSchema, {
    name: 'factors',
    batch: 128,
    outputs: [
      { name: 'a', reduction: Reduction.SUM, shape: [3n, 3n], symmetric: true, scale: 0.5 },
    ],
  });
  assert.deepEqual(decodeProgram(encodeProgram(program)), program);
  const result = create(TaskResultSchema, {
    taskId: 'ef'.repeat(32),
    artifacts: [{ name: 'sums', id: 'ab'.repeat(32), byteLength: 12n }],
    elapsedMs: 1.5,
    hardware: { processor: 'x', provider: 'cpu' },
  });
  assert.deepEqual(decodeResult(encodeResult(result)), result);
});

test('the id is the same whoever computes it, and however often', () => {
  const task = programTask();
  const id = taskId(task);
  assert.match(id, /^[0-9a-f]{64}$/);
  assert.equal(taskId(task), id);
  assert.equal(taskId(programTask()), id);
  assert.equal(taskId(decodeTask(encodeTask(task))), id);
});

test('the id does not change between releases by accident', () => {
  assert.equal(
    taskId(programTask()),
    'a5651388fcc4ab8e098e3f2995fd6422de2cf981d2ee11bcc80cbaf1f991682e',
  );
});

test('the id leaves out where the data lie, and the task itself keeps it', () => {
  const task = programTask({ arrays: [array('/elsewhere/b.npz')] });
  assert.equal(taskId(task), taskId(programTask()));
  assert.equal(task.kind.case === 'program' && task.kind.value.arrays[0]?.path, '/elsewhere/b.npz');
});

test('the id leaves out where the data lie for every kind of task that reads some', () => {
  const kinds = (path: string): Task['kind'][] => [
    { case: 'posterior', value: create(PosteriorTaskSchema, { arrays: [array(path)] }) },
    { case: 'posteriorDraws', value: create(PosteriorDrawsTaskSchema, { arrays: [array(path)] }) },
    {
      case: 'curvature',
      value: create(CurvatureTaskSchema, { operator: { arrays: [array(path)] } }),
    },
  ];
  const ids = (path: string) => kinds(path).map((kind) => taskId(create(TaskSchema, { kind })));
  assert.deepEqual(ids('/data/a.npz'), ids('/elsewhere/b.npz'));
});

test('the id leaves out how often a posterior task leaves checkpoints', () => {
  const task = (checkpointSeconds?: number) => {
    const fields = checkpointSeconds === undefined ? {} : { checkpointSeconds };
    const value = create(PosteriorTaskSchema, { firstRho: -3, ...fields });
    return create(TaskSchema, { kind: { case: 'posterior', value } });
  };
  assert.equal(taskId(task(0.5)), taskId(task()));
  assert.equal(taskId(task(0.5)), taskId(task(1000)));
});

test('the id depends on everything else', () => {
  const others: [string, Task][] = [
    ['code version', programTask({}, '2')],
    ['program', programTask({ program: 'ce'.repeat(32) })],
    ['tail program', programTask({ tailProgram: 'ce'.repeat(32) })],
    ['data', programTask({ arrays: [array('/data/a.npz', { sha256: 'ac'.repeat(32) })] })],
    ['member', programTask({ arrays: [array('/data/a.npz', { member: 'x2' })] })],
    ['scale', programTask({ arrays: [array('/data/a.npz', { scale: 1 })] })],
    ['samples', programTask({ samples: 999n })],
    ['first batch', programTask({ firstBatch: 4n })],
    ['batch count', programTask({ batchCount: 8n })],
    ['seed', programTask({ seed: 2n })],
    [
      'kind',
      create(TaskSchema, { codeVersion: '1', kind: { case: 'merge', value: { bundles: ['a'] } } }),
    ],
  ];
  const ids = new Map([[taskId(programTask()), 'the first']]);
  for (const [what, task] of others) {
    const id = taskId(task);
    assert.equal(ids.get(id), undefined, `${what} has the id of ${ids.get(id)}`);
    ids.set(id, what);
  }
});

test('tasks that differ in any number differ in id', () => {
  const number = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const numbers = fc.tuple(number, number, number, number);
  const of = ([samples, firstBatch, batchCount, seed]: [bigint, bigint, bigint, bigint]) =>
    taskId(programTask({ samples, firstBatch, batchCount, seed }));
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      assert.equal(of(a) === of(b), String(a) === String(b));
    }),
  );
});

test('malformed bytes give a named error', () => {
  const bytes = encodeTask(programTask());
  const junk = new TextEncoder().encode('this is no message');
  for (const decode of [decodeTask, decodeProgram, decodeResult])
    assert.throws(() => decode(junk), MalformedMessageError);
  for (let length = 0; length < bytes.length; length++) {
    try {
      decodeTask(bytes.subarray(0, length));
    } catch (error) {
      assert.ok(error instanceof MalformedMessageError, `cut to ${length} bytes: ${error}`);
    }
  }
  assert.throws(() => decodeTask(bytes.subarray(0, bytes.length - 1)), MalformedMessageError);
});

test('any bytes decode or give the named error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const decode of [decodeTask, decodeProgram, decodeResult]) {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof MalformedMessageError, String(error));
        }
      }
    }),
  );
});

test('a task of no kind is refused', () => {
  assert.throws(() => decodeTask(encodeTask(create(TaskSchema, { codeVersion: '1' }))), {
    name: 'MalformedMessageError',
    message: 'these bytes are no task',
  });
});
