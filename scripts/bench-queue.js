// Times the cluster's queue: empty tasks a second through a real nats-server and one worker process.
//   node scripts/bench-queue.js [--tasks <n>] [--concurrency <n>] [--example]
// --example also runs the LeNet example embedded, and with a coordinator and that one worker.
// Besides elapsed time it gives each process's processor time, which a busy machine does not change.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { JetStreamQueue } from '../coordinator/dist/cluster/jetstream-queue.js';
import { CODE_VERSION } from '../coordinator/dist/version.js';
import { create, EmptyTaskSchema, TaskSchema } from '../proto/dist/index.js';
import { BUCKETS, JetStreamStore, NatsLink, setUpCluster } from '../proto/dist/nats/index.js';
import { TestNatsServer } from '../proto/dist/testing/index.js';

const TICKS_PER_SECOND = 100;

/** Processor time of a process and of its children that have ended, so far, in seconds (Linux). */
function processorTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '5000' },
    example: { type: 'boolean', default: false },
    concurrency: { type: 'string', default: '2' },
  },
});
const tasks = Number(values.tasks);

const server = await TestNatsServer.start();
const link = await NatsLink.open({ url: server.url, name: 'bench', role: 'coordinator' });
await setUpCluster(link, { codeVersion: CODE_VERSION });
/** Starts the command; what it says is shown. */
function launch(...args) {
  const child = spawn(
    process.execPath,
    [...process.execArgv, 'coordinator/bin/kronlens.js', ...args],
    {
      stdio: ['ignore', 'inherit', 'pipe'],
    },
  );
  child.stderr.pipe(process.stderr);
  return child;
}

const worker = launch('worker', '--nats', server.url, '--concurrency', values.concurrency);
let coordinator;
const queue = new JetStreamQueue({
  link,
  store: new JetStreamStore(link),
  storeName: 'nats',
  run: 'bench',
  signal: new AbortController().signal,
  onProgress: () => {},
});

let number = 0n;
const empty = () =>
  create(TaskSchema, {
    codeVersion: CODE_VERSION,
    kind: { case: 'empty', value: create(EmptyTaskSchema, { number: number++ }) },
  });
const submit = (count) => Promise.all(Array.from({ length: count }, () => queue.submit(empty())));

const EXAMPLE = ['examples/digits/lenet.onnx', '--data', 'examples/digits/digits.npz'];

/** Runs the example; returns elapsed seconds, and the processor's of all processes. */
async function analyze(out, ...more) {
  const pids = [process, worker, coordinator, server].map(({ pid }) => pid);
  const used = () => pids.reduce((sum, pid) => sum + processorTime(pid), 0);
  const [begin, before] = [performance.now(), used()];
  const child = spawn(
    process.execPath,
    ['coordinator/bin/kronlens.js', 'analyze', ...EXAMPLE, '--out', out, ...more],
    { stdio: 'ignore' },
  );
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`analyze --out ${out} ${more.join(' ')} ended with ${code}`);
  // The coordinator may still be ending the run's process.
  await sleep(500);
  return { seconds: (performance.now() - begin - 500) / 1000, processor: used() - before };
}

try {
  await submit(Math.ceil(tasks / 10));
  const pids = { coordinator: process.pid, worker: worker.pid, server: server.pid };
  const before = Object.entries(pids).map(([name, pid]) => [name, processorTime(pid)]);
  const start = performance.now();
  await submit(tasks);
  const seconds = (performance.now() - start) / 1000;
  const used = before.map(
    ([name, earlier]) =>
      `${name} ${((1e6 * (processorTime(pids[name]) - earlier)) / tasks).toFixed(0)}`,
  );
  console.log(
    `${tasks} empty tasks in ${seconds.toFixed(2)} s: ${(tasks / seconds).toFixed(0)} a second`,
  );
  console.log(`processor time a task, in microseconds: ${used.join(', ')}`);
  if (values.example) {
    coordinator = launch('serve', '--nats', server.url);
    await once(coordinator.stderr, 'data');
    const ratios = { elapsed: [], processor: [] };
    for (let pass = 0; pass < 3; pass++) {
      const folder = mkdtempSync(join(tmpdir(), 'kronlens-bench-'));
      const one = await analyze(join(folder, 'embedded'), '--parallel', values.concurrency);
      await link.jsm.streams.purge(`KV_${BUCKETS.results}`);
      const how = ['--nats', server.url, '--coordinator', 'cluster'];
      const other = await analyze(join(folder, 'cluster'), ...how);
      rmSync(folder, { recursive: true });
      ratios.elapsed.push(other.seconds / one.seconds);
      ratios.processor.push(other.processor / one.processor);
      const words = ({ seconds, processor }) =>
        `${seconds.toFixed(1)} s (${processor.toFixed(1)} s of processor time)`;
      console.log(`example: embedded ${words(one)}, coordinator and one worker ${words(other)}`);
    }
    for (const [name, values] of Object.entries(ratios))
      console.log(`median ratio, ${name}: ${values.sort((a, b) => a - b)[1].toFixed(2)}`);
  }
} finally {
  for (const child of [coordinator, worker]) {
    if (child === undefined) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  await queue.close();
  await link.close();
  await server.remove();
}
