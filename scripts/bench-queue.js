// Times the cluster's queue: empty tasks a second through a real nats-server and one worker process.
//   node scripts/bench-queue.js [--tasks <n>] [--concurrency <n>] [--example]
// --example runs the LeNet example embedded and on a cluster of that one worker as well.
// Besides elapsed time it gives each process's processor time, which a busy machine does not change.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { JetStreamQueue } from '../coordinator/dist/cluster/jetstream-queue.js';
import { CODE_VERSION } from '../coordinator/dist/version.js';
import { create, EmptyTaskSchema, TaskSchema } from '../proto/dist/index.js';
import { BUCKETS, JetStreamStore, NatsLink, setUpCluster } from '../proto/dist/nats/index.js';
import { TestNatsServer } from '../proto/dist/testing/index.js';

const TICKS_PER_SECOND = 100;

/** Processor time of a process so far, in seconds (Linux). */
function processorTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
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
const worker = spawn(
  process.execPath,
  [
    'coordinator/bin/kronlens.js',
    'worker',
    '--nats',
    server.url,
    '--concurrency',
    values.concurrency,
  ],
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
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

/** Runs the command; returns elapsed seconds. */
async function analyze(out, ...more) {
  const args = [
    'coordinator/bin/kronlens.js',
    'analyze',
    'examples/digits/lenet.onnx',
    '--out',
    out,
  ];
  args.push('--data', 'examples/digits/digits.npz', ...more);
  const start = performance.now();
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`kronlens ${args.slice(1).join(' ')} ended with ${code}`);
  return (performance.now() - start) / 1000;
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
    const ratios = [];
    for (let pass = 0; pass < 3; pass++) {
      const folder = mkdtempSync(join(tmpdir(), 'kronlens-bench-'));
      const embedded = await analyze(join(folder, 'embedded'), '--parallel', values.concurrency);
      await link.jsm.streams.purge(`KV_${BUCKETS.results}`);
      const cluster = await analyze(join(folder, 'cluster'), '--nats', server.url);
      rmSync(folder, { recursive: true });
      ratios.push(cluster / embedded);
      console.log(
        `example: embedded ${embedded.toFixed(1)} s, cluster of one worker ${cluster.toFixed(1)} s, ratio ${(cluster / embedded).toFixed(2)}`,
      );
    }
    console.log(`median ratio ${ratios.sort((a, b) => a - b)[1].toFixed(2)}`);
  }
} finally {
  worker.kill('SIGTERM');
  await once(worker, 'exit');
  await queue.close();
  await link.close();
  await server.remove();
}
