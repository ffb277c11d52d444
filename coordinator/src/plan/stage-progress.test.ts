import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, ProgressSchema } from '@kronlens/proto';
import { StageProgress } from './stage-progress.js';

test('running and finished tasks add up, weighted; others are ignored', () => {
  const shown: unknown[] = [];
  const sink = {
    begin: (...facts: unknown[]) => shown.push(facts),
    update: (done: number) => shown.push(done),
    end: () => shown.push('end'),
    note: () => {},
  };
  const report = (taskId: string, done: number, total: number) =>
    stage.partial(create(ProgressSchema, { taskId, done: BigInt(done), total: BigInt(total) }));
  const stage = new StageProgress(sink, 'factors', 100, 'samples');
  stage.expect('a', 64);
  stage.expect('b', 36);
  report('a', 1, 4);
  report('other', 1, 1);
  report('b', 1, 2);
  stage.finish('a');
  report('a', 1, 4);
  stage.finish('b');
  stage.finish('b');
  stage.end();
  assert.deepEqual(shown, [['factors', 100, 'samples'], 16, 34, 82, 100, 'end']);
});

test('how the task goes that has been telling it longest is shown while it runs', () => {
  const shown: string[] = [];
  const sink = {
    begin: () => {},
    update: () => {},
    detail: (text: string) => shown.push(text),
    end: () => {},
    note: () => {},
  };
  const stage = new StageProgress(sink, 'curvature', 2, 'layers');
  const report = (taskId: string, what: string) =>
    stage.partial(create(ProgressSchema, { taskId, done: 1n, total: 2n, what }));
  stage.expect('a', 1);
  stage.expect('b', 1);
  report('a', 'a: iteration 1');
  report('b', 'b: iteration 1');
  report('a', 'a: iteration 2');
  report('b', '');
  stage.finish('a');
  stage.finish('b');
  assert.deepEqual(shown, [
    'a: iteration 1',
    'a: iteration 1',
    'a: iteration 2',
    'b: iteration 1',
    '',
  ]);
});

test('a task that two ask for counts for both, whether it ends before the second asks or after', () => {
  for (const order of ['together', 'one after the other']) {
    let shown = 0;
    const sink = {
      begin: () => {},
      update: (done: number) => (shown = done),
      end: () => {},
      note: () => {},
    };
    const stage = new StageProgress(sink, 'posterior', 20, 'epochs');
    stage.expect('a', 10);
    if (order === 'together') stage.expect('a', 10);
    stage.finish('a');
    if (order !== 'together') stage.expect('a', 10);
    stage.finish('a');
    assert.equal(shown, 20, order);
  }
});
