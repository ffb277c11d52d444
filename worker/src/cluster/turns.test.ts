// Turns are given in order, within slots and memory, and never lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Turn, Turns } from './turns.js';

const never = new AbortController().signal;
const taken = (turn: Turn | undefined): Turn => {
  assert.ok(turn !== undefined);
  return turn;
};

test('so many tasks at a time, in the order of asking', async () => {
  const turns = new Turns(2, 100);
  const [first, second] = [await turns.take(0, 50, never), await turns.take(0, 50, never)];
  const order: string[] = [];
  const next = async (name: string) => {
    const turn = await turns.take(0, 5000, never);
    order.push(name);
    return turn;
  };
  const [third, fourth] = [next('third'), next('fourth')];
  assert.equal(await turns.take(0, 5, never), undefined);
  taken(second).release();
  taken(second).release();
  const last = await third;
  assert.deepEqual(order, ['third']);
  taken(first).release();
  await fourth;
  assert.equal(await turns.take(0, 5, never), undefined);
  taken(last).release();
  taken(await turns.take(0, 5, never)).release();
});

test('tasks wait for memory; whoever gives up lets the next one pass', async () => {
  const turns = new Turns(4, 100);
  const large = taken(await turns.take(80, 50, never));
  const stop = new AbortController();
  const tooLarge = turns.take(50, 5000, stop.signal);
  const small = turns.take(20, 5000, never);
  assert.equal(await Promise.race([small, Promise.resolve('waits')]), 'waits');
  stop.abort();
  assert.equal(await tooLarge, undefined);
  taken(await small).release();
  assert.equal(await turns.take(101, 5, never), undefined);
  large.release();
  taken(await turns.take(100, 5, never)).release();
  assert.equal(await turns.take(0, 50, AbortSignal.abort()), undefined);
});
