// A task's class follows from what it needs, and some worker of that class can do it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  EigenTaskSchema,
  MergeTaskSchema,
  ProgramTaskSchema,
  type Task,
  TaskSchema,
} from '../gen/kronlens/v1/task_pb.js';
import { canTake, needsInWords, taskClass, taskNeeds, workerClasses } from './placement.js';

const GIB = 2 ** 30;
const task = (kind: Task['kind']) => create(TaskSchema, { codeVersion: 'v', kind });
const eigen = (size: number) =>
  task({ case: 'eigen', value: create(EigenTaskSchema, { size: BigInt(size) }) });

test('decompositions need memory by the square of their size, programs the run’s device', () => {
  const small = taskNeeds(eigen(1000), 'cuda');
  assert.deepEqual(small, { device: 'cpu', memoryBytes: 48e6 });
  assert.equal(taskClass(small), 'cpu');
  const large = taskNeeds(eigen(20_000), 'cpu');
  assert.equal(taskClass(large), 'large');
  assert.equal(needsInWords(large), '17.9 GiB of memory');
  const program = task({ case: 'program', value: create(ProgramTaskSchema) });
  assert.equal(taskClass(taskNeeds(program, 'cpu')), 'cpu');
  assert.equal(taskClass(taskNeeds(program, 'cuda')), 'gpu');
  const wide = task({
    case: 'program',
    value: create(ProgramTaskSchema, { peakBytes: BigInt(3 * GIB) }),
  });
  assert.deepEqual(taskNeeds(wide, 'cpu'), { device: 'cpu', memoryBytes: 3 * GIB });
  assert.equal(taskClass(taskNeeds(wide, 'cpu')), 'large');
  const merge = task({ case: 'merge', value: create(MergeTaskSchema) });
  assert.equal(taskClass(taskNeeds(merge, 'cuda')), 'cpu');
});

test('workers take the classes that they can do, the scarcest first', () => {
  const [small, large, gpu] = [
    { device: 'cpu', memoryBytes: GIB },
    { device: 'cpu', memoryBytes: 16 * GIB },
    { device: 'cuda', memoryBytes: 64 * GIB },
  ] as const;
  assert.deepEqual(workerClasses(small), ['cpu']);
  assert.deepEqual(workerClasses(large), ['large', 'cpu']);
  assert.deepEqual(workerClasses(gpu), ['gpu', 'large', 'cpu']);
  const huge = taskNeeds(eigen(20_000), 'cpu');
  assert.deepEqual(
    [small, large, gpu].map((means) => canTake(means, huge)),
    [false, false, true],
  );
  assert.equal(canTake(large, { device: 'cuda', memoryBytes: 0 }), false);
});
