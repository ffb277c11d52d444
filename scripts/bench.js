// Times the Kronecker factors of two networks through the project's own executor, beside the machine's GEMM rate and, with --peers, PyTorch libraries.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runFactorStage } from '../coordinator/dist/plan/factor-stage.js';
import { prepareRun } from '../coordinator/dist/plan/prepare-run.js';
import { StageProgress } from '../coordinator/dist/plan/stage-progress.js';
import { planFactors } from '../coordinator/dist/programs/index.js';
import { DEFAULTS } from '../coordinator/dist/testing/analyse.js';
import { openEngine } from './bench-engine.js';
import { NETWORKS, SAMPLES, writeNetwork } from './bench-models.js';
import { gemmRate, programGflop } from './bench-rates.js';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '9' },
    parallel: { type: 'string', default: String(availableParallelism()) },
    peers: { type: 'boolean', default: false },
    'peers-batch': { type: 'string', default: '128' },
    python: { type: 'string', default: 'python3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const runs = Number(options.runs);
const parallel = Number(options.parallel);
if (options.help || !(runs >= 1) || !(parallel >= 1)) {
  console.log('usage: npm run bench -- [--runs 9] [--parallel <cores>] [--json]');
  console.log(
    '                        [--peers [--peers-batch 128] [--python <python that has them>]]',
  );
  process.exit(options.help ? 0 : 2);
}

const silent = { begin() {}, update() {}, end() {}, note() {} };
const METHODS = { exact: 'exact', mc: 'one Monte-Carlo sample' };

function median(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The options of `kronlens analyze`, as far as they matter here. */
function analysis(paths, method) {
  return {
    options: {
      ...DEFAULTS,
      loss: 'cross-entropy',
      measures: ['factors'],
      outputHessian: method,
      linalg: 'portable',
    },
    execution: { ...paths, out: '', parallel, resume: false },
  };
}

/**
 * Milliseconds of a pass over the data: tasks, float64 sums, merge. `cpuMs` is the least processor
 * time, all threads together, which other work on the machine changes little.
 * @param store folder for artifacts, flushed to the disk; undefined keeps them in memory
 */
async function timeFactors(name, method, paths, store) {
  const engine = await openEngine(store, parallel);
  try {
    const request = analysis(paths, method);
    const { model, layers, factorOptions, data } = await prepareRun(request, engine);
    const { batch, memoryBytes } = request.options;
    const run = { samples: SAMPLES, batch, memoryBytes };
    const plan = await planFactors(model, layers, factorOptions, run);
    const stage = { plan, arrays: data.arrays, samples: SAMPLES, shard: SAMPLES / parallel };
    const times = [];
    const busy = [];
    for (let seed = 0; seed <= runs; seed++) {
      // Another seed makes other tasks, so that no recorded result answers for the work.
      const start = performance.now();
      const before = process.cpuUsage();
      const progress = new StageProgress(silent, name, SAMPLES, 'samples');
      await runFactorStage(engine, { ...stage, seed }, progress, () => {});
      const { user, system } = process.cpuUsage(before);
      if (seed === 0) continue;
      times.push(performance.now() - start);
      busy.push((user + system) / 1e3);
    }
    let gflop = 0;
    for (const { full } of plan.programs)
      gflop += (await programGflop(full, engine.evaluator)) * (SAMPLES / plan.batch);
    return {
      minMs: Math.min(...times),
      medianMs: median(times),
      cpuMs: Math.min(...busy),
      batch: plan.batch,
      gflop,
    };
  } finally {
    await engine.close();
  }
}

/** What scripts/bench-peers.py prints; empty, with its reason on stderr, where it cannot run. */
function timePeers() {
  const script = fileURLToPath(new URL('bench-peers.py', import.meta.url));
  const { status, stdout } = spawnSync(
    options.python,
    [
      script,
      '--threads',
      options.parallel,
      '--runs',
      options.runs,
      '--batch',
      options['peers-batch'],
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (status !== 0) console.error(`bench.js: ${options.python} ${script} failed; no peers`);
  return (stdout ?? '')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

function print(report) {
  const { machine, gemm, results, peers } = report;
  const ms = (value) => value.toFixed(1).padStart(9);
  console.log(`${machine.processor}, ${machine.cores} cores, Node ${machine.node}`);
  console.log(`load average before: ${machine.load.map((load) => load.toFixed(2)).join(' ')}`);
  console.log(
    `MatMul 1024^3 in ONNX Runtime: ${gemm.one.toFixed(0)} GFLOP/s on one thread, ${gemm.all.toFixed(0)} on ${parallel}`,
  );
  for (const name of Object.keys(NETWORKS)) {
    for (const method of Object.keys(METHODS)) {
      const title = `${NETWORKS[name].title}, ${METHODS[method]}, N = ${SAMPLES}`;
      console.log(`\n${title}\n${' '.repeat(28)}   min ms   median  cpu ms`);
      const both = results.filter((each) => each.network === name && each.method === method);
      const row = ({ who, minMs, medianMs, cpuMs }, detail) =>
        console.log(`${who.padEnd(28)}${ms(minMs)}${ms(medianMs)}${ms(cpuMs)}   ${detail}`);
      for (const each of both) {
        const { minMs, gflop, batch } = each;
        const share = `${((100 * gflop) / (minMs / 1e3) / gemm.all).toFixed(0)}%`;
        row(each, `batch ${batch}, ${gflop.toFixed(1)} GFLOP, ${share} of the GEMM rate`);
      }
      const [ours] = both;
      for (const peer of peers.filter((each) => each.network === name && each.method === method)) {
        const [elapsed, busy] = [peer.minMs / ours.minMs, peer.cpuMs / ours.cpuMs];
        row(
          peer,
          `batch ${options['peers-batch']}, ${elapsed.toFixed(1)} times ours, ${busy.toFixed(1)} in processor time`,
        );
      }
    }
  }
  for (const peer of peers.filter(({ method }) => !(method in METHODS)))
    console.log(`\n${peer.who}, ${peer.network}: ${peer.minMs.toFixed(1)} ms`);
}

const folder = await mkdtemp(join(tmpdir(), 'kronlens-bench-'));
try {
  const machine = {
    processor: cpus()[0]?.model ?? 'unknown processor',
    cores: availableParallelism(),
    node: process.versions.node,
    load: loadavg(),
  };
  const gemm = { one: await gemmRate(1), all: await gemmRate(parallel) };
  const results = [];
  for (const network of Object.keys(NETWORKS)) {
    const paths = await writeNetwork(network, folder);
    for (const method of Object.keys(METHODS)) {
      const inMemory = await timeFactors(network, method, paths, undefined);
      results.push({ network, method, who: 'kronlens', ...inMemory });
      const store = join(folder, `${network}-${method}`);
      const onDisk = await timeFactors(network, method, paths, store);
      results.push({ network, method, who: 'kronlens, sums on disk', ...onDisk });
    }
  }
  const peers = options.peers ? timePeers() : [];
  const report = { machine, parallel, samples: SAMPLES, runs, gemm, results, peers };
  if (options.json) console.log(JSON.stringify(report, null, 2));
  else print(report);
} finally {
  await rm(folder, { recursive: true, force: true });
}
