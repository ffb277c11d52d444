// A waiting run says what is missing: any worker, one of its version, one with the memory or the device.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@kronlens/proto';
import { type WorkerEntry, WorkerEntrySchema } from '@kronlens/proto/nats';
import { whyNobodyWorks } from './missing-workers.js';

const GIB = 2 ** 30;
const URL = 'nats://head:4222';
const worker = (gib: number, codeVersion = 'kronlens 1', device = 'cpu'): WorkerEntry =>
  create(WorkerEntrySchema, { codeVersion, device, memoryBytes: BigInt(gib * GIB) });
const small = { device: 'cpu', memoryBytes: 0 };
const large = { device: 'cpu', memoryBytes: 20 * GIB };
const gpu = { device: 'cuda', memoryBytes: 0 };

test('what is missing is named', () => {
  const why = (workers: readonly WorkerEntry[], needs: readonly (typeof small)[]) =>
    whyNobodyWorks(workers, needs, 'kronlens 1', URL) ?? '';
  assert.match(why([], [small]), /no worker is connected to nats:\/\/head:4222/);
  assert.match(
    why([worker(64, 'kronlens 2')], [small]),
    /another version \(kronlens 2\); this is kronlens 1/,
  );
  assert.equal(why([worker(4)], [small]), '');
  assert.match(
    why([worker(4), worker(64, 'kronlens 2')], [small, large, large]),
    /can do 2 tasks of class large: they need 20\.0 GiB of memory; start one/,
  );
  assert.equal(why([worker(4), worker(32)], [small, large]), '');
  assert.match(why([worker(64)], [small, gpu]), /1 tasks of class gpu: they need the device cuda/);
  assert.equal(why([worker(64, 'kronlens 1', 'cuda')], [small, large, gpu]), '');
});
