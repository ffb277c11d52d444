// The lease on a real server: one holder at a time, whoever renews, freezes or leaves.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { NatsLink, setUpCluster } from '@kronlens/proto/nats';
import { noNatsServer, TestNatsServer } from '@kronlens/proto/testing';
import { Lease } from './lease.js';
import { LeaseClock } from './lease-clock.js';

const skip = noNatsServer;
const TTL_MS = 1000;

/** Leases of several coordinators, whose clocks the test moves. */
async function leases(t: TestContext, count: number) {
  const server = await TestNatsServer.start();
  const link = await NatsLink.open({ url: server.url, name: 'test', role: 'coordinator' });
  t.after(async () => {
    await link.close();
    await server.remove();
  });
  await setUpCluster(link, { codeVersion: 'v1' });
  const clock = { ms: 0 };
  const made = Array.from(
    { length: count },
    (_, index) =>
      new Lease({
        link,
        codeVersion: 'v1',
        name: `coordinator-${index}`,
        ttlMs: TTL_MS,
        now: () => clock.ms,
      }),
  );
  return { clock, made, server };
}

test('of several that want it at once, one gets the lease', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { made } = await leases(t, 5);
  const taken = await Promise.all(made.map((lease) => lease.take()));
  assert.equal(taken.filter(Boolean).length, 1);
  assert.deepEqual(
    made.map(({ epoch }) => epoch !== undefined),
    taken,
  );
});

test('it lapses when nobody renews it, and who has lost it cannot renew it', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { clock, made } = await leases(t, 2);
  const [first, second] = made;
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(await first.take(), true);
  assert.equal(first.validUntilMs, TTL_MS);
  assert.equal(await second.take(), false);
  clock.ms += 900;
  assert.equal(await first.renew(), true);
  clock.ms += 900;
  // It was renewed since the second one looked.
  assert.equal(await second.take(), false);
  clock.ms += TTL_MS + 1;
  assert.equal(await second.take(), true);
  assert.equal(second.epoch, 2n);
  assert.equal(await first.renew(), false);
  assert.equal(first.epoch, undefined);
  assert.equal(first.validUntilMs, 0);
  assert.equal(await second.renew(), true);
});

test('a lapsed lease that nobody took is still its holder’s; one given back is free at once', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { clock, made, server } = await leases(t, 2);
  const [first, second] = made;
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(await first.take(), true);
  clock.ms += 10 * TTL_MS;
  await server.kill();
  await server.restart();
  assert.equal(await first.renew(), true);
  assert.equal(first.epoch, 1n);
  await first.giveBack();
  assert.equal(await second.take(), true);
  assert.equal(second.epoch, 2n);
});

test('a process may act until the lease that it was told of ends', () => {
  let nowNs = 0n;
  const clock = new LeaseClock(() => nowNs);
  assert.equal(clock.isHeld, false);
  clock.extend(10n);
  assert.equal(clock.isHeld, true);
  // What comes late says nothing new.
  clock.extend(5n);
  nowNs = 9n;
  assert.equal(clock.isHeld, true);
  nowNs = 10n;
  assert.equal(clock.isHeld, false);
});
