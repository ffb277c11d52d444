// Checks models that make-model-zoo.py has exported: names of layers, gradients, and a small analysis of each.
//
// node scripts/check-model-zoo.js <folder> [model ...] [--python <python>]
//
// For every file: `kronlens inspect --json` calls layers as PyTorch calls modules, the gradient of every parameter
// is PyTorch's to 1e-4 of its norm, and `kronlens analyze` finishes for a few layers. Where a gradient is not, the
// program that gave it is run once more in float64 by the Python interpreter (python3; it needs onnx and PyTorch):
// then it has to be PyTorch's to 1e-6, and PyTorch's own float32 gradient has to be off as much. Prints one row a
// file as it goes, with the seconds of processor time that analysing took, opening included; the exit code is 1 when
// one of them does not hold.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { withEvaluator } from '../coordinator/dist/embedded.js';
import { withDoubleEvaluator } from '../coordinator/dist/testing/double-evaluator.js';
import {
  checkZooModel,
  GRADIENT_TOLERANCE,
  gradientComplaint,
  gradientErrors,
  readZooEntry,
} from '../coordinator/dist/testing/model-zoo.js';

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

const worst = (errors) => Math.max(0, ...errors.values());

/** The largest number of some as it is shown; `-` where there are none. */
const shownWorst = (errors) => (errors.size === 0 ? '-' : worst(errors).toExponential(1));

/** What is wrong with the gradients of one file; where some are off in float32, with their errors in float64. */
async function judgeGradients(entry, file, { errors, model }, python) {
  const off = [...errors].filter(([, error]) => !(error <= GRADIENT_TOLERANCE));
  if (off.length === 0) return { complaints: [], doubles: new Map() };
  const doubles = await withDoubleEvaluator(python, (evaluator) =>
    gradientErrors(entry, file, model, evaluator, 'float64'),
  );
  const complaints = off.flatMap(([name, error]) => {
    const own = file.float32?.[name] ?? 0;
    const complaint = gradientComplaint(error, own, doubles.get(name));
    return complaint === undefined ? [] : [`the gradient of ${name} ${complaint}`];
  });
  return { complaints, doubles };
}

const { values: options, positionals } = parseArgs({
  options: { python: { type: 'string', default: 'python3' } },
  allowPositionals: true,
});
const [root, ...only] = positionals;
if (root === undefined) {
  console.error('usage: node scripts/check-model-zoo.js <folder> [model ...] [--python <python>]');
  process.exit(2);
}
let failed = false;
console.log(
  '| model | exporter | layers | called as in PyTorch | gradients, worst | in float64 | of PyTorch in float32 | analyze, processor s |',
);
console.log('|---|---|---|---|---|---|---|---|');
for (const name of only.length > 0 ? only : readdirSync(root).sort()) {
  const entry = readZooEntry(join(root, name));
  for (const file of entry.models) {
    const row = (...cells) => console.log(`| ${[name, file.exporter, ...cells].join(' | ')} |`);
    if (file.file === undefined) {
      row('', '', '', '', '', file.failure);
      continue;
    }
    const path = join(entry.folder, file.file);
    const shown = JSON.parse(run('inspect', path, '--json').printed);
    const report = await withEvaluator(new AbortController().signal, (evaluator) =>
      checkZooModel(entry, file, evaluator),
    );
    const found = report.model.layers.layers.map((layer) => layer.name);
    const same = String(shown.layers.map((layer) => layer.name)) === String(found);
    const judged = await judgeGradients(entry, file, report, options.python);
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
      shownWorst(report.errors),
      shownWorst(judged.doubles),
      shownWorst(new Map(Object.entries(file.float32 ?? {}))),
      seconds.toFixed(0),
    );
    const complaints = [
      ...(same ? [] : ['inspect shows other layers']),
      ...report.missing.map((layer) => `no layer is called ${layer}`),
      ...report.unknown.map((layer) => `no module is called ${layer}`),
      ...report.unmatched.map((parameter) => `no gradient of ${parameter}`),
      ...shown.skipped.map(({ name: layer, reason }) => `${layer} is skipped: ${reason}`),
      ...judged.complaints,
    ];
    for (const complaint of complaints) console.log(`  ${name} ${file.exporter}: ${complaint}`);
    failed ||= complaints.length > 0;
  }
}
process.exit(failed ? 1 : 0);
