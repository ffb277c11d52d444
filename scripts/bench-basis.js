// Times the Kronecker eigenbasis of 784-600-1 on 10,000 samples, as `kronlens bound` finds it.
//
//     node scripts/bench-basis.js [--runs 5] [--parallel <cores>] [--disk]
//
// A run has other weights, so that nothing is cached: it plans and stores the programs, passes over the data, merges
// the sums and decomposes the factors. With --disk artifacts are stored in a folder and flushed, else in memory.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findBases } from '../coordinator/dist/plan/bound/basis-stage.js';
import { prepareBound } from '../coordinator/dist/plan/bound/prepare-bound.js';
import { readParameters, withParameters } from '../coordinator/dist/programs/index.js';
import { npyBytes } from '../coordinator/dist/testing/npy-file.js';
import { openEngine, printLoad } from './bench-engine.js';
import { Chain, uniforms } from './bench-models.js';

const SAMPLES = 10_000;

const { values: given } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    parallel: { type: 'string', default: String(availableParallelism()) },
    disk: { type: 'boolean', default: false },
  },
});
const [runs, parallel] = [given.runs, given.parallel].map(Number);

async function writeFiles(folder) {
  const chain = new Chain().linear('fc1', 784, 600).relu().linear('fc2', 600, 1);
  const random = uniforms(11);
  const x = Float32Array.from({ length: SAMPLES * 784 }, random);
  const y = Float32Array.from({ length: SAMPLES }, () => Math.round(random()));
  const paths = {
    model: join(folder, 'model.onnx'),
    data: join(folder, 'x.npy'),
    labels: join(folder, 'y.npy'),
  };
  await writeFile(paths.model, chain.model([784], 1));
  await writeFile(paths.data, npyBytes(x, [SAMPLES, 784]));
  await writeFile(paths.labels, npyBytes(y, [SAMPLES]));
  return paths;
}

async function times(folder) {
  const paths = await writeFiles(folder);
  const engine = await openEngine(given.disk ? join(folder, 'store') : undefined, parallel, 'auto');
  try {
    const options = { variants: ['iter'] };
    const prepared = await prepareBound({ options, execution: { ...paths, out: '' } }, engine);
    const { model, parameters } = prepared;
    const trained = readParameters(await model.at(2), parameters);
    const found = [];
    for (let run = 0; run <= runs; run++) {
      const moved = trained.map(({ name, values }) => [
        name,
        values.map((w) => w * (1 + run / 64)),
      ]);
      const start = performance.now();
      const before = process.cpuUsage();
      const at = withParameters(model, parameters, new Map(moved));
      const basis = { operator: 'exact', memoryBytes: 2 ** 32 };
      await findBases(engine, prepared, at, basis, () => {});
      const { user, system } = process.cpuUsage(before);
      found.push({ elapsed: performance.now() - start, busy: (user + system) / 1e3 });
    }
    return found;
  } finally {
    await engine.close();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'kronlens-bench-'));
try {
  printLoad();
  const [first, ...others] = await times(folder);
  const ms = (value) => value.toFixed(0);
  const least = (what) => Math.min(...others.map((each) => each[what]));
  console.log(
    `first basis, threads started: ${ms(first.elapsed)} ms, ${ms(first.busy)} ms of processor time`,
  );
  console.log(
    `least of ${runs} more: ${ms(least('elapsed'))} ms, ${ms(least('busy'))} ms of processor time`,
  );
  console.log(`elapsed: ${others.map(({ elapsed }) => ms(elapsed)).join(' ')}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
