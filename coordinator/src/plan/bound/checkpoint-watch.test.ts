// Checkpoints go when another takes their place, and the last when its task is done.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointId, create, type TaskResult, TaskResultSchema } from '@kronlens/proto';
import { CheckpointWatch } from './checkpoint-watch.js';

const TASK = 'a'.repeat(64);

/** A store with one record, which can be changed. */
function store() {
  const deleted: string[] = [];
  let record: TaskResult | undefined;
  return {
    deleted,
    leave(id: string) {
      record = create(TaskResultSchema, { artifacts: [{ name: 'checkpoint', id }] });
    },
    async getResult(id: string) {
      assert.equal(id, checkpointId(TASK));
      return record;
    },
    async delete(id: string) {
      deleted.push(id);
    },
  };
}

for (const isDone of [true, false])
  test(`of a task that ${isDone ? 'is done' : 'goes on later'}`, async () => {
    const artifacts = store();
    const watch = new CheckpointWatch(artifacts, TASK, 1000);
    await watch.look();
    artifacts.leave('first');
    await watch.look();
    await watch.look();
    assert.deepEqual(artifacts.deleted, []);
    artifacts.leave('second');
    await watch.look();
    assert.deepEqual(artifacts.deleted, ['first']);
    artifacts.leave('third');
    await watch.end(isDone);
    assert.deepEqual(artifacts.deleted, ['first', 'second', ...(isDone ? ['third'] : [])]);
  });

test('a store that cannot be asked does no harm', async () => {
  const broken = {
    getResult: () => Promise.reject(new Error('away')),
    delete: () => Promise.reject(new Error('away')),
  };
  const watch = new CheckpointWatch(broken, TASK, 1000);
  await watch.look();
  await watch.end(true);
});
