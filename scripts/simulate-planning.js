// Plans and keeps the books of large runs without computing anything: time and memory of the coordinator.
//   npm run build && node scripts/simulate-planning.js [--layers <n>] [--shards <n>] [--programs <n,...>]
// Every task is made, named, asked for, answered and merged as in a real run; answers are made up. How
// many programs the layers are spread over depends on the memory limit: from all in one to one each.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { runFactorStage } from '../coordinator/dist/plan/factor-stage.js';
import { runTasks } from '../coordinator/dist/plan/run-tasks.js';
import { StageProgress } from '../coordinator/dist/plan/stage-progress.js';
import { CountingEngine } from '../coordinator/dist/testing/counting-engine.js';
import { madeUpStage } from '../coordinator/dist/testing/made-up-stage.js';
import { CODE_VERSION } from '../coordinator/dist/version.js';
import { create, EigenTaskSchema, TaskSchema } from '../proto/dist/index.js';

const { values } = parseArgs({
  options: {
    layers: { type: 'string', default: '10000' },
    shards: { type: 'string', default: '1000' },
    programs: { type: 'string', default: '1,10,100,1000,10000' },
    one: { type: 'boolean', default: false },
  },
});
const layers = Number(values.layers);
const shards = Number(values.shards);

const sink = { begin: () => {}, update: () => {}, end: () => {}, note: () => {} };
const progress = () => new StageProgress(sink, 'stage', 1, 'samples');
const nothing = () => {};

/** Two decompositions a layer, once its sums are there. */
async function decompose(engine) {
  const jobs = Array.from({ length: 2 * layers }, (_, index) => index);
  const task = (index) =>
    create(TaskSchema, {
      codeVersion: CODE_VERSION,
      kind: {
        case: 'eigen',
        value: create(EigenTaskSchema, {
          bundle: String(index).padStart(64, '0'),
          tensor: 'input',
          scale: 1,
          layer: `layer${index >> 1}`,
        }),
      },
    });
  await runTasks(engine, { jobs, task, handle: async () => {} }, progress(), nothing);
}

async function simulate(programs) {
  const engine = new CountingEngine();
  const start = performance.now();
  await runFactorStage(engine, madeUpStage(programs, shards), progress(), nothing);
  await decompose(engine);
  const seconds = (performance.now() - start) / 1000;
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const tasks = Object.values(engine.counts).reduce((sum, count) => sum + count, 0);
  const cpu = (userCPUTime + systemCPUTime) / 1e6;
  console.log(
    [
      String(programs).padStart(8),
      tasks.toLocaleString('en-US').padStart(12),
      `${cpu.toFixed(1)} s`.padStart(10),
      `${seconds.toFixed(1)} s`.padStart(10),
      `${Math.round(maxRSS / 1024)} MiB`.padStart(9),
    ].join('  '),
  );
}

if (values.one) await simulate(Number(values.programs));
else {
  console.log(`${layers} layers, ${shards} shards`);
  console.log('programs         tasks   processor     elapsed   memory');
  // Each in a process of its own, for its memory.
  for (const programs of values.programs.split(',')) {
    const args = ['--layers', values.layers, '--shards', values.shards, '--programs', programs];
    spawnSync(process.execPath, [process.argv[1], '--one', ...args], { stdio: 'inherit' });
  }
}
