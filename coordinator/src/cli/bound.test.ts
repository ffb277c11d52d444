// The command bound, as a process: the order of the variants on the digits, resumption, bad input.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BOUND_HISTORY, BOUNDS, type BoundRow, decodeTable, POSTERIOR_KL } from '@kronlens/proto';
import { arrowReaders, NO_READERS } from '@kronlens/proto/testing';
import { parseHTML } from 'linkedom';
import type { BoundRecord } from '../plan/bound/bound-record.js';
import { WORK_FOLDER } from '../plan/output-folder.js';
import { examplePath, kronlens, startKronlens } from '../testing/kronlens-process.js';
import { writeNpy } from '../testing/npy-file.js';
import { digests, filesBelow, inTemporaryFolder } from '../testing/result-folder.js';

const MODEL = examplePath('digits/binary.onnx');
const INIT = ['--init', examplePath('digits/binary.init.onnx')];
const TRAIN = ['--data', examplePath('digits/binary-train.npz'), '--scale', '1/16'];
const TEST = ['--test-data', examplePath('digits/binary-test.npz')];
const table = (folder: string, name: string) => readFile(join(folder, `${name}.arrow`));
const record = async (out: string): Promise<BoundRecord> =>
  JSON.parse(await readFile(join(out, 'run.json'), 'utf8'));

test('bounds on the digits: Iter < Appr < Base, none of them vacuous', (t) =>
  inTemporaryFolder(async (folder) => {
    const out = join(folder, 'out');
    const schedule = ['--epochs', '120', '--batch', '50', '--learning-rate', '5e-3'];
    const draws = ['--decay-epochs', '90', '--mc-samples', '150', '--test-draws', '50'];
    const ended = await kronlens(
      ...['bound', MODEL, ...INIT, ...TRAIN, ...TEST, '--out', out, ...schedule, ...draws],
    );
    assert.equal(ended.code, 0, ended.stderr);
    const rows = decodeTable(BOUNDS, await table(out, 'bounds'));
    assert.deepEqual(
      rows.map(({ variant }) => variant),
      ['base', 'appr', 'iter'],
    );
    const [base, appr, iter] = rows.map(({ bound }) => bound);
    const shown = JSON.stringify(rows.map(({ variant, bound, kl }) => [variant, bound, kl]));
    assert.ok(Number(iter) < Number(appr) && Number(appr) < Number(base), shown);
    assert.ok(Number(base) < 0.6, shown);
    for (const row of rows) {
      assert.ok(row.bound > row.snn_error && row.snn_error > row.train_error);
      assert.ok(Number(row.test_error) < row.bound && row.mean_train_error < row.train_error);
      assert.deepEqual([row.n, row.mc_samples, row.epochs, row.seed], [1500, 150, 120, 0]);
      assert.match(ended.stdout, new RegExp(`^${row.variant} +${row.bound.toFixed(4)} `, 'm'));
      const parts = decodeTable(POSTERIOR_KL, await table(out, 'posterior_kl'));
      const kl = parts.filter(({ variant }) => variant === row.variant);
      const sum = kl.reduce((total, part) => total + part.kl, 0);
      assert.ok(Math.abs(sum - row.kl) < 1e-9 * row.kl);
    }
    const history = decodeTable(BOUND_HISTORY, await table(out, 'bound_history'));
    assert.equal(history.length, 3 * 120);
    const objective = (at: number) => Number(history[at]?.objective);
    assert.ok(objective(119) < 0.5 * objective(0));
    assert.match(
      ended.stderr,
      /posterior .* epochs .*(base|appr|iter): objective \d\.\d+, bound about/,
    );
    assert.deepEqual((await filesBelow(out)).slice(0, 8), [
      'bound_history.arrow',
      'bounds.arrow',
      'posterior/appr.fc1.bias.deviations.arrow',
      'posterior/appr.fc1.bias.mean.arrow',
      'posterior/appr.fc1.bias.standard_deviations.arrow',
      'posterior/appr.fc1.input.arrow',
      'posterior/appr.fc1.output.arrow',
      'posterior/appr.fc1.weight.deviations.arrow',
    ]);
    const { status, trainedTrainError, warnings } = await record(out);
    // Four of 1500, as ONNX Runtime counts them.
    assert.deepEqual([status, trainedTrainError, warnings], ['finished', 4 / 1500, []]);
    await assertReported(out, rows);
    const readers = arrowReaders();
    if (readers === undefined) t.diagnostic(NO_READERS);
    else {
      const { status, stdout, stderr } = readers(out);
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^bounds\.arrow {2}3 x 16 {2}variant, bound, /m);
    }
  }));

/** The report has the bounds as they are in the table, and the charts of the posterior. */
async function assertReported(out: string, rows: readonly BoundRow[]): Promise<void> {
  const file = join(out, '..', 'report.html');
  const ended = await kronlens('report', out, '--out', file);
  assert.equal(ended.code, 0, ended.stderr);
  const { document } = parseHTML(await readFile(file, 'utf8'));
  const cells = [...document.querySelectorAll('[data-table="bounds"] tbody tr')].map((row) =>
    [...row.querySelectorAll('td')].slice(0, 2).map((cell) => String(cell.textContent)),
  );
  assert.deepEqual(
    cells,
    rows.map(({ variant, bound }) => [variant, bound.toFixed(4)]),
  );
  const charts = [...document.querySelectorAll('figure')].map((each) =>
    each.getAttribute('data-chart'),
  );
  const deviations = charts.filter((chart) => chart === 'posterior-deviations');
  assert.deepEqual(charts.slice(0, 3), ['bound-objective', 'bound-kl', 'kl-by-layer']);
  // Of all parameters but the last bias, which is one number.
  assert.equal(deviations.length, 3);
  assert.equal(charts.filter((chart) => chart === 'posterior-standard-deviations').length, 3);
  const layers = document.querySelectorAll('[data-table="posterior-kl"] tbody tr');
  assert.deepEqual(
    [...layers].map((row) => row.querySelector('td')?.textContent),
    ['fc1', 'fc2'],
  );
}

test('a posterior that noise has drowned is named in table, JSON and record, with the option that helps', () =>
  inTemporaryFolder(async (folder) => {
    const out = join(folder, 'out');
    const command = (...more: readonly string[]) => [
      ...['bound', MODEL, ...INIT, ...TRAIN, '--out', out, '--variant', 'appr', '--batch', '50'],
      ...['--epochs', '5', '--first-scale', '20', '--mc-samples', '40', ...more],
    ];
    const ended = await kronlens(...command());
    assert.equal(ended.code, 0, ended.stderr);
    const told =
      /the posterior of appr has lost what the network learned \(training error 0\.[45]\d+, that of the trained network 0\.0027, KL [^)]+\): .* --first-scale 2 instead of 20/;
    assert.match(ended.stderr, told);
    assert.match(ended.stdout, /training error of the network itself 0\.0027/);
    const { warnings } = await record(out);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', told);
    const again = await kronlens(...command('--resume', '--json'));
    assert.deepEqual(JSON.parse(again.stdout).warnings, warnings);
  }));

test('a classifier of token ids has a bound, and its embeddings are rotated by U alone', () =>
  inTemporaryFolder(async (folder) => {
    const fixture = fileURLToPath(new URL('../../fixtures/factors/bert-small', import.meta.url));
    const out = join(folder, 'out');
    const ended = await kronlens(
      ...['bound', join(fixture, 'model.onnx'), '--data', join(fixture, 'data.npz'), '--out', out],
      ...['--epochs', '4', '--interval', '2', '--batch', '7', '--mc-samples', '8'],
    );
    assert.equal(ended.code, 0, ended.stderr);
    const rows = decodeTable(BOUNDS, await table(out, 'bounds'));
    assert.deepEqual(
      rows.map(({ variant, n }) => [variant, n]),
      ['base', 'appr', 'iter'].map((variant) => [variant, 19]),
    );
    const words = 'model.bert.embeddings.word_embeddings';
    const parts = decodeTable(POSTERIOR_KL, await table(out, 'posterior_kl'));
    const own = parts.filter(({ layer }) => layer === words);
    assert.deepEqual(
      own.map(({ dimension }) => dimension),
      [78, 78, 78],
    );
    const files = (await filesBelow(out)).filter((name) => name.includes(`iter.${words}`));
    assert.deepEqual(
      files.map((name) => name.replace(`posterior/iter.${words}.`, '')),
      ['output', 'weight.deviations', 'weight.mean', 'weight.standard_deviations'].map(
        (name) => `${name}.arrow`,
      ),
    );
    const report = await kronlens('report', out, '--out', join(folder, 'report.html'));
    assert.equal(report.code, 0, report.stderr);
  }));

const SHORT = [
  ...['--epochs', '6', '--interval', '2', '--checkpoint', '1', '--variant', 'base,iter'],
  ...['--mc-samples', '20', '--decay-epochs', '4'],
];

/** Artifacts of an unfinished run that hold the state of an optimisation. */
async function states(out: string): Promise<number> {
  const folder = join(out, WORK_FOLDER, 'artifacts');
  const names = (await filesBelow(folder)).filter((name) => !name.includes('tmp'));
  const isState = async (name: string) =>
    (await readFile(join(folder, name))).includes('log_std_square/fc1.weight');
  return (await Promise.all(names.map(isState))).filter((is) => is).length;
}

test('killed and resumed, or cut into other tasks at a time, a run ends with the same bytes', () =>
  inTemporaryFolder(async (folder) => {
    const command = (out: string, ...more: readonly string[]) => [
      ...['bound', MODEL, ...INIT, ...TRAIN, '--out', out, ...SHORT, ...more],
    ];
    const whole = join(folder, 'whole');
    const first = await kronlens(...command(whole, '--parallel', '2'));
    assert.equal(first.code, 0, first.stderr);
    const out = join(folder, 'killed');
    const running = startKronlens(...command(out, '--parallel', '1'));
    const results = join(out, WORK_FOLDER, 'results');
    const stored = async () => (await readdir(results).catch(() => [])).length;
    while ((await stored()) < 8) await sleep(5);
    running.kill('SIGKILL');
    assert.equal((await running.ended).code, null);
    assert.equal((await record(out)).status, 'running');
    // States that are not gone on from are removed: two chains have one each, one on its way in and one out.
    assert.ok((await states(out)) <= 6, `${await states(out)} states`);
    const before = await stored();
    const resumed = await kronlens(...command(out, '--parallel', '1', '--resume'));
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.ok(before >= 8);
    assert.deepEqual(await digests(out), await digests(whole));
    const other = await kronlens(...command(out, '--resume', '--delta', '0.05'));
    assert.equal(other.code, 2);
    assert.match(other.stderr, /--delta was 0\.025, now it is 0\.05/);
  }));

/** Whether an unfinished run has left where it stands within an epoch. */
async function hasCheckpoint(out: string): Promise<boolean> {
  const folder = join(out, WORK_FOLDER, 'artifacts');
  const names = (await filesBelow(folder).catch(() => [])).filter((name) => !name.includes('tmp'));
  for (const name of names) {
    // A later checkpoint may have taken its place by now.
    const bytes = await readFile(join(folder, name)).catch(() => Buffer.alloc(0));
    if (bytes.includes('epoch_steps')) return true;
  }
  return false;
}

test('killed within the only task, a run goes on from its last checkpoint to the same bytes', () =>
  inTemporaryFolder(async (folder) => {
    const command = (out: string, ...more: readonly string[]) => [
      ...['bound', MODEL, ...INIT, ...TRAIN, '--out', out, '--variant', 'base', '--parallel', '1'],
      ...['--epochs', '9', '--checkpoint', '9', '--batch', '5', '--mc-samples', '2', ...more],
    ];
    const whole = join(folder, 'whole');
    const first = await kronlens(...command(whole));
    assert.equal(first.code, 0, first.stderr);
    // On a busy machine a run may be done before it is killed: then another is tried.
    let out = '';
    for (let attempt = 0, killed = false; !killed; attempt++) {
      out = join(folder, `killed-${attempt}`);
      const running = startKronlens(...command(out, '--checkpoint-seconds', '0.02'));
      let ended = false;
      running.ended.then(() => {
        ended = true;
      });
      while (!ended && !(await hasCheckpoint(out))) await sleep(5);
      running.kill('SIGKILL');
      killed = (await running.ended).code === null;
    }
    assert.equal((await record(out)).status, 'running');
    const resumed = await kronlens(...command(out, '--resume', '--checkpoint-seconds', '1000'));
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.deepEqual(await digests(out), await digests(whole));
  }));

test('an optimisation that diverges says where', () =>
  inTemporaryFolder(async (folder) => {
    const out = join(folder, 'out');
    const rate = ['--learning-rate', '1e30', '--variant', 'base', '--epochs', '2'];
    const ended = await kronlens(
      ...['bound', MODEL, ...INIT, ...TRAIN, '--out', out, '--checkpoint', '1', ...rate],
    );
    assert.equal(ended.code, 2, ended.stderr);
    assert.match(
      ended.stderr,
      /is NaN or infinite at step \d+ \(epoch \d+\): .*'fc[12]\.(weight|bias)'/,
    );
    assert.match(ended.stderr, /try a smaller --learning-rate/);
  }));

test('bad input is refused in one sentence, and leaves no folder behind', () =>
  inTemporaryFolder(async (folder) => {
    const out = join(folder, 'out');
    const labels = join(folder, 'y.npy');
    await writeNpy(
      labels,
      Float32Array.from({ length: 1500 }, (_, i) => (i % 2 ? 1 : -1)),
      [1500],
    );
    const mlp = examplePath('digits/mlp.onnx');
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [
        [...TRAIN, '--init', mlp],
        /--init .*mlp\.onnx is another architecture: .* in .*binary\.onnx and .* in/,
      ],
      [[...TRAIN, '--samples', '1501'], /--samples 1501 is more than the 1500 samples/],
      [[...TRAIN, '--samples', '1'], /a bound needs a training set of at least 2 samples/],
      [[...TRAIN, '--delta', '1'], /Expected a number above 0 and below 1/],
      [[...TRAIN, '--delta-prime', '0'], /Expected a number above 0 and below 1/],
      [[...TRAIN, '--labels', labels, '--mc-samples', '2'], /labels? .*-1/],
      [TRAIN.slice(2), /required option '--data <file>' not specified/],
      [[...TRAIN, '--variant', 'iter-x'], /'iter-x' is not one of base, appr, iter/],
    ];
    for (const [args, words] of cases) {
      const ended = await kronlens('bound', MODEL, '--out', out, ...args, '--epochs', '1');
      assert.equal(ended.code, 2, `${args.join(' ')}: ${ended.stderr}`);
      assert.match(ended.stderr.split('\n').at(-2) ?? '', words);
      assert.deepEqual(await readdir(folder), ['y.npy']);
    }
  }));
