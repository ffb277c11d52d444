// Checks models that make-model-zoo.py has exported: names of layers, gradients, and a small analysis of each.
//
// node scripts/check-model-zoo.js <folder> [model ...]
//
// For every file: `kronlens inspect --json` calls layers as PyTorch calls modules, the gradient of every parameter
// is PyTorch's to 1e-4 of its norm, and `kronlens analyze` finishes for a few layers. Prints one row a file as it
// goes, with the seconds of processor time that analysing took, opening included; the exit code is 1 when one of them
// does not hold.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withEvaluator } from '../coordinator/dist/embedded.js';
import { checkZooModel, readZooEntry } from '../coordinator/dist/testing/model-zoo.js';

const TOLERANCE = 1e-4;
/** Layers with larger factors are not among those that are analysed. */
const LARGEST_FACTOR = 1024;
const CLI = fileURLToPath(new URL('../coordinator/bin/kronlens.js', import.meta.url));

/** Writes a process's processor time in microseconds where it is told to. */
const HOOK = `data:text/javascript,${encodeURIComponent(`
  import { writeFileSync } from 'node:fs';
  import { isMainThread } from 'node:worker_threads';
  if (isMainThread) process.on('exit', () => {
    const { user, system } = process.cpuUsage();
    writeFileSync(process.env.PROCESSOR_TIME, String(user + system));
  });`)}`;

const folder = mkdtempSync(join(tmpdir(), 'kronlens-zoo-'));
process.on('exit', () => rmSync(folder, { recursive: true }));

/** What a command prints, and the seconds of processor time that it takes. */
function run(...args) {
  const PROCESSOR_TIME = join(folder, 'processor-time');
  const printed = execFileSync(process.execPath, ['--import', HOOK, CLI, ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, PROCESSOR_TIME },
  });
  return { printed, seconds: Number(readFileSync(PROCESSOR_TIME, 'utf8')) / 1e6 };
}

/** The first, a middle and the last layer of those with small factors. */
function someLayers(layers) {
  const small = layers.filter(
    ({ op, inDim, outDim }) =>
      outDim <= LARGEST_FACTOR && (op === 'Gather' || inDim <= LARGEST_FACTOR),
  );
  const chosen = [small[0], small[Math.floor(small.length / 2)], small.at(-1)];
  return [...new Set(chosen.map(({ name }) => name))];
}

const [root, ...only] = process.argv.slice(2);
if (root === undefined) {
  console.error('usage: node scripts/check-model-zoo.js <folder> [model ...]');
  process.exit(2);
}
let failed = false;
console.log(
  '| model | exporter | layers | called as in PyTorch | gradients, worst | analyze, processor s |',
);
console.log('|---|---|---|---|---|---|');
for (const name of only.length > 0 ? only : readdirSync(root).sort()) {
  const entry = readZooEntry(join(root, name));
  for (const file of entry.models) {
    const row = (...cells) => console.log(`| ${[name, file.exporter, ...cells].join(' | ')} |`);
    if (file.file === undefined) {
      row('', '', '', file.failure);
      continue;
    }
    const path = join(entry.folder, file.file);
    const shown = JSON.parse(run('inspect', path, '--json').printed);
    const report = await withEvaluator(new AbortController().signal, (evaluator) =>
      checkZooModel(entry, file, evaluator),
    );
    const found = report.model.layers.layers.map((layer) => layer.name);
    const same = String(shown.layers.map((layer) => layer.name)) === String(found);
    const [worst, error] = [...report.errors].reduce((a, b) => (b[1] > a[1] ? b : a));
    const out = join(folder, 'run');
    const layers = someLayers(shown.layers);
    const { seconds } = run(
      ...['analyze', path, '--data', join(entry.folder, 'data.npz'), '--out', out],
      ...['--layers', layers.join(','), '--measure', 'factors,eigen'],
      ...['--output-hessian', 'mc', '--parallel', '1'],
    );
    rmSync(out, { recursive: true });
    row(
      shown.layers.length,
      `${report.named}${report.missing.length > 0 ? `, not ${report.missing.join(' ')}` : ''}`,
      error.toExponential(1),
      seconds.toFixed(0),
    );
    const complaints = [
      ...(same ? [] : ['inspect shows other layers']),
      ...report.missing.map((layer) => `no layer is called ${layer}`),
      ...report.unknown.map((layer) => `no module is called ${layer}`),
      ...report.unmatched.map((parameter) => `no gradient of ${parameter}`),
      ...shown.skipped.map(({ name: layer, reason }) => `${layer} is skipped: ${reason}`),
      ...(error <= TOLERANCE ? [] : [`the gradient of ${worst} is off by ${error}`]),
    ];
    for (const complaint of complaints) console.log(`  ${name} ${file.exporter}: ${complaint}`);
    failed ||= complaints.length > 0;
  }
}
process.exit(failed ? 1 : 0);
