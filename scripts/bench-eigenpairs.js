// Times the top eigenpairs of the 256 -> 120 layer of the benchmark's LeNet, beside hessian-eigenthings with --peers.
//
//     node scripts/bench-eigenpairs.js [--runs 7] [--top 10] [--parallel <cores>] [--peers] [--python <one that has it>]
//
// A run is a whole task: it captures the layer's inputs and output gradients, iterates until all residuals
// are at most 1e-6 of lambda_1, and measures them afresh. N = 1024. A peer is set beside the run to 1e-6, and
// beside one that ends where the peer's own residual is.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  CurvatureTaskSchema,
  create,
  decodeBundle,
  OperatorSchema,
  TaskSchema,
} from '@kronlens/proto';
import { mostProducts } from '../coordinator/dist/plan/curvature-stage.js';
import { artifactOf, storeProgram } from '../coordinator/dist/plan/factor-stage.js';
import { prepareRun } from '../coordinator/dist/plan/prepare-run.js';
import { planCurvature } from '../coordinator/dist/programs/index.js';
import { DEFAULTS } from '../coordinator/dist/testing/analyse.js';
import { CODE_VERSION } from '../coordinator/dist/version.js';
import { openEngine, printLoad } from './bench-engine.js';
import { SAMPLES, writeNetwork } from './bench-models.js';

const TOLERANCE = 1e-6;

const { values: given } = parseArgs({
  options: {
    runs: { type: 'string', default: '7' },
    top: { type: 'string', default: '10' },
    parallel: { type: 'string', default: String(availableParallelism()) },
    peers: { type: 'boolean', default: false },
    python: { type: 'string', default: 'python3' },
  },
});
const [runs, top, parallel] = [given.runs, given.top, given.parallel].map(Number);

function median(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Least and median milliseconds of a task, least processor time, and the worst residual over lambda_1. */
async function timeEigenpairs(paths, tolerance) {
  const engine = await openEngine(undefined, parallel, 'lapack');
  try {
    const options = { ...DEFAULTS, loss: 'cross-entropy', layers: ['fc1'], linalg: 'lapack' };
    const execution = { ...paths, out: '', parallel, resume: false };
    const { model, layers, factorOptions, data } = await prepareRun({ options, execution }, engine);
    const run = { samples: SAMPLES, batch: undefined, memoryBytes: options.memoryBytes };
    const plan = await planCurvature(model, layers[0], factorOptions, run, top);
    const [capture, product] = [
      await storeProgram(engine, plan.capture),
      await storeProgram(engine, plan.product),
    ];
    const times = [];
    const busy = [];
    let last;
    for (let seed = 0; seed <= runs; seed++) {
      // Another seed starts from other vectors and makes another task: no recorded result answers for it.
      const operator = create(OperatorSchema, {
        capture,
        product,
        arrays: data.arrays,
        samples: BigInt(SAMPLES),
        seed: BigInt(seed),
      });
      const value = create(CurvatureTaskSchema, {
        layer: layers[0].name,
        operator,
        top,
        tolerance,
        mostProducts: BigInt(mostProducts(top)),
        memoryBytes: BigInt(options.memoryBytes),
      });
      const task = create(TaskSchema, {
        codeVersion: CODE_VERSION,
        kind: { case: 'curvature', value },
      });
      const start = performance.now();
      const before = process.cpuUsage();
      const result = await engine.queue.submit(task);
      const { user, system } = process.cpuUsage(before);
      if (seed > 0) {
        times.push(performance.now() - start);
        busy.push((user + system) / 1e3);
      }
      last = result;
    }
    const found = decodeBundle(await engine.store.get(artifactOf(last, 'curvature')));
    const eigenvalues = found.get('eigenvalues').values;
    return {
      who: `kronlens, to ${tolerance.toExponential(1)}`,
      minMs: Math.min(...times),
      medianMs: median(times),
      cpuMs: Math.min(...busy),
      products: found.get('products').values[0],
      residual: Math.max(...found.get('residuals').values) / eigenvalues[0],
    };
  } finally {
    await engine.close();
  }
}

/** What scripts/bench-peers.py --eigenpairs prints, for the very same network, data and layer. */
function timePeers(paths) {
  const script = fileURLToPath(new URL('bench-peers.py', import.meta.url));
  const asked = ['--eigenpairs', paths.model, '--data', paths.data, '--labels', paths.labels];
  const setting = ['--threads', given.parallel, '--runs', given.runs, '--top', given.top];
  const { status, stdout } = spawnSync(given.python, [script, ...asked, ...setting], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) console.error(`${given.python} ${script} failed; no peers`);
  return (stdout ?? '')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

const timesOurs = (peer, ours) =>
  `${(peer.minMs / ours.minMs).toFixed(1)} times ours, ${(peer.cpuMs / ours.cpuMs).toFixed(1)} in processor time`;

/** One line of the table. @param ours what it is compared with */
function print({ who, minMs, medianMs, cpuMs, products, residual }, ours) {
  const numbers = [minMs, medianMs, cpuMs].map((ms) => ms.toFixed(1).padStart(9)).join(' ');
  const found = `${String(products).padStart(9)}  ${residual.toExponential(1)}`;
  const times = ours === undefined ? '' : `  ${timesOurs({ minMs, cpuMs }, ours)}`;
  console.log(`${who.padEnd(44)}${numbers} ${found}${times}`);
}

const folder = await mkdtemp(join(tmpdir(), 'kronlens-bench-'));
try {
  printLoad();
  console.log(
    `top ${top} eigenpairs, layer 256 -> 120 of LeNet, N = ${SAMPLES}, ${parallel} threads`,
  );
  const paths = await writeNetwork('lenet', folder);
  const ours = await timeEigenpairs(paths, TOLERANCE);
  const peers = given.peers ? timePeers(paths) : [];
  console.log(`${' '.repeat(44)}   min ms    median    cpu ms  products  residual / lambda_1`);
  print(ours);
  for (const peer of peers) {
    print(peer, ours);
    const alike = await timeEigenpairs(paths, peer.residual);
    print(alike);
    console.log(`${' '.repeat(44)}${timesOurs(peer, alike)} at this residual`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
