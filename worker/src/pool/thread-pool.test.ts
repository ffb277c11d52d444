// The pool of threads: answers, errors, cancelling, lost threads, closing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { CancelledError, KronlensError } from '@kronlens/proto';
import type { OddJobs } from '../testing/odd-jobs.js';
import { ThreadLostError } from './pool-thread.js';
import { ThreadPool } from './thread-pool.js';

const entry = new URL('../testing/odd-jobs.js', import.meta.url);

async function withPool(
  threads: number,
  use: (pool: ThreadPool<OddJobs>) => Promise<void>,
  artifact = async (id: string) => new TextEncoder().encode(id),
): Promise<void> {
  const pool = new ThreadPool<OddJobs>({ entry, threads, artifact });
  try {
    await use(pool);
  } finally {
    await pool.close();
  }
}

test('more jobs than threads are all answered', () =>
  withPool(2, async (pool) => {
    const jobs = Array.from({ length: 9 }, (_, i) => [i, 10, 100]);
    const answers = await Promise.all(jobs.map((job) => pool.run('add', job, { what: 'a sum' })));
    assert.deepEqual(
      answers.map(([sum]) => sum),
      jobs.map(([i = 0]) => i + 110),
    );
  }));

test('an error crosses with its code, its facts and what it says of the input', () =>
  withPool(1, async (pool) => {
    await assert.rejects(pool.run('fail', 'too odd', { what: 'a job' }), (error) => {
      assert.ok(error instanceof KronlensError);
      assert.deepEqual(
        [error.code, error.message, error.badInput, error.details],
        ['odd', 'too odd', true, { layer: 'conv1' }],
      );
      return true;
    });
  }));

test('a lost thread fails its job alone, retryably, and is replaced', () =>
  withPool(1, async (pool) => {
    for (const [how, says] of [
      ['exit', /computed the first half ended$/],
      ['throw', /computed the first half ended: nobody catches this/],
    ] as const) {
      const lost = pool.run('die', how, { what: 'the first half' });
      const next = pool.run('add', [1, 2], { what: 'a sum' });
      await assert.rejects(lost, (error) => {
        assert.ok(error instanceof ThreadLostError && error.retryable && !error.badInput);
        assert.match(error.message, says);
        return true;
      });
      assert.deepEqual([...(await next)], [3]);
    }
  }));

test('cancelling stops a running job and takes back a waiting one; the thread goes on', () =>
  withPool(1, async (pool) => {
    const controller = new AbortController();
    const { signal } = controller;
    let reports = 0;
    const running = pool.run('spin', null, {
      what: 'the spinning',
      signal,
      onProgress: (done) => {
        reports = done;
        if (done === 3) controller.abort();
      },
    });
    const waiting = assert.rejects(
      pool.run('add', [1], { what: 'a sum', signal }),
      new CancelledError('a sum'),
    );
    const other = pool.run('add', [4, 5], { what: 'another sum' });
    await assert.rejects(running, new CancelledError('the spinning'));
    await waiting;
    assert.deepEqual([...(await other)], [9]);
    assert.ok(reports >= 3);
    await assert.rejects(pool.run('add', [1], { what: 'a sum', signal }), CancelledError);
  }));

test('a thread gets the artifacts that it asks for, each wish its own copy', () =>
  withPool(1, async (pool) => {
    const job = { id: 'some bytes', times: 3 };
    const copies = await pool.run('artifact', job, { what: 'artifacts' });
    for (const copy of copies) assert.equal(new TextDecoder().decode(copy), 'some bytes');
    assert.equal(new Set(copies.map(({ buffer }) => buffer)).size, 3);
  }));

test('an artifact that cannot be had fails the job', () =>
  withPool(
    1,
    async (pool) => {
      const job = { id: 'gone', times: 2 };
      await assert.rejects(pool.run('artifact', job, { what: 'artifacts' }), {
        code: 'no-such',
        retryable: true,
      });
    },
    async (id) => {
      throw new KronlensError('no-such', `${id} is not there`, { retryable: true });
    },
  ));

test('jobs of equal affinity go to the thread that had such a job before', () =>
  withPool(2, async (pool) => {
    const where = (affinity: string) => pool.run('where', 20, { what: 'a place', affinity });
    const [a, b] = await Promise.all([where('a'), where('b')]);
    assert.notEqual(a, b);
    for (let i = 0; i < 3; i++) {
      assert.equal(await where('b'), b);
      assert.equal(await where('a'), a);
    }
  }));

test('closing calls off what runs and what waits, and nothing is taken afterwards', async () => {
  const pool = new ThreadPool<OddJobs>({
    entry,
    threads: 1,
    artifact: async () => new Uint8Array(),
  });
  const spinning = pool.run('spin', null, { what: 'the spinning' });
  const running = assert.rejects(spinning, new CancelledError('the spinning'));
  const waiting = assert.rejects(pool.run('add', [1], { what: 'a sum' }), CancelledError);
  await pool.close();
  await Promise.all([running, waiting]);
  await assert.rejects(pool.run('add', [1], { what: 'a sum' }), { code: 'executor-closed' });
});

test('closing waits for native code to return', async () => {
  const pool = new ThreadPool<OddJobs>({
    entry,
    threads: 1,
    artifact: async () => new Uint8Array(),
  });
  let inside: () => void = () => {};
  const entered = new Promise<void>((resolve) => {
    inside = resolve;
  });
  const job = pool.run('native', 50, { what: 'native code', onProgress: () => inside() });
  await entered;
  await pool.close();
  assert.equal(await job, 'out of native code');
});

test('an idle pool that nobody closes does not keep the process alive', () => {
  const script = `
    import { ThreadPool } from ${JSON.stringify(new URL('./thread-pool.js', import.meta.url).href)};
    const entry = new URL(${JSON.stringify(entry.href)});
    const pool = new ThreadPool({ entry, threads: 2, artifact: async () => new Uint8Array() });
    console.log(String(await pool.run('add', [1, 2], { what: 'a sum' })));
  `;
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { encoding: 'utf8', timeout: 60_000 },
  );
  assert.deepEqual([stdout.trim(), status], ['3', 0]);
});

test("a leased thread does its user's jobs alone until it is given back", () =>
  withPool(2, async (pool) => {
    const lease = await pool.lease({ what: 'a lease' });
    const home = await lease.run('where', 0);
    const others = await Promise.all(
      Array.from({ length: 4 }, () => pool.run('where', 1, { what: 'a place' })),
    );
    assert.ok(!others.includes(home));
    assert.equal(await lease.run('where', 0), home);
    const second = await pool.lease({ what: 'another lease' });
    const waiting = pool.run('where', 0, { what: 'a place' });
    lease.release();
    assert.equal(await waiting, home);
    second.release();
  }));

test('jobs of a lease move memory, report progress, fail and are cancelled like others', () =>
  withPool(1, async (pool) => {
    const controller = new AbortController();
    const { signal } = controller;
    const lease = await pool.lease({ what: 'the lease', signal });
    const moved = Float64Array.of(1, 2);
    assert.deepEqual([...(await lease.run('add', moved, { transfer: [moved.buffer] }))], [3]);
    assert.equal(moved.length, 0);
    await assert.rejects(lease.run('fail', 'too odd'), { code: 'odd' });
    const onProgress = (done: number) => done === 3 && controller.abort();
    await assert.rejects(lease.run('spin', null, { onProgress }), new CancelledError('the lease'));
    await assert.rejects(lease.run('add', [1]), new CancelledError('the lease'));
    const waiting = pool.lease({ what: 'the next lease' });
    lease.release();
    const next = await waiting;
    assert.deepEqual([...(await next.run('add', [4, 5]))], [9]);
    next.release();
  }));

test('idle threads can be leased at once, unless somebody waits for one', () =>
  withPool(2, async (pool) => {
    const [first, second] = [0, 1].map(() => pool.leaseIdle({ what: 'a lease' }));
    assert.ok(first !== undefined && second !== undefined);
    assert.notEqual(await first.run('where', 0), await second.run('where', 0));
    assert.equal(pool.leaseIdle({ what: 'a lease' }), undefined);
    const waiting = [0, 1].map(() => pool.run('where', 5, { what: 'a place' }));
    first.release();
    assert.equal(pool.leaseIdle({ what: 'a lease' }), undefined);
    await Promise.all(waiting);
    pool.leaseIdle({ what: 'a lease' })?.release();
    second.release();
  }));

test('a lease of a thread that is lost, or of a pool that is closed, says so', async () => {
  const artifact = async () => new Uint8Array();
  const pool = new ThreadPool<OddJobs>({ entry, threads: 1, artifact });
  const lost = await pool.lease({ what: 'the lease' });
  await assert.rejects(lost.run('die', 'exit'), ThreadLostError);
  await assert.rejects(lost.run('add', [1]), ThreadLostError);
  const lease = await pool.lease({ what: 'the second lease' });
  const waiting = assert.rejects(pool.lease({ what: 'the third' }), CancelledError);
  const running = assert.rejects(lease.run('spin', null), CancelledError);
  await pool.close();
  await Promise.all([running, waiting]);
  await assert.rejects(lease.run('add', [1]), new CancelledError('the second lease'));
  lease.release();
  await assert.rejects(pool.lease({ what: 'the last' }), { code: 'executor-closed' });
});
