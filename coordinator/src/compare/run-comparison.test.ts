// Whole comparisons of synthetic runs against dense algebra, and what is refused.
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  decodeMatrixFile,
  decodeTable,
  encodeMatrixFile,
  MEAN_OVERLAP,
  OVERLAP,
  PREDICTION,
  type TableSchema,
  TRAJECTORY,
} from '@kronlens/proto';
import { kroneckerSpectrum } from '../merge/kronecker-spectrum.js';
import { RECORD_FILE } from '../plan/run-record.js';
import { denseOverlap, dot, vectorsOf } from '../testing/random-frames.js';
import { digests, filesBelow, inTemporaryFolder } from '../testing/result-folder.js';
import {
  type SyntheticLayer,
  syntheticFrame,
  writeSyntheticRun,
} from '../testing/synthetic-run.js';
import { runComparison } from './run-comparison.js';

const SILENT = { begin() {}, update() {}, end() {}, note() {} };
const NEVER = new AbortController().signal;

/** The condition holds in this one: 1.8 * 30 > 2 * 1.5. */
const FC1: SyntheticLayer = {
  layer: 'fc1',
  input: [[30, 1.5, 1, 0.5]],
  output: [[2, 1.9, 1.8]],
  ggn: [50, 40, 30, 20],
};
/** One eigenvalue of the output is 0; two groups. */
const CONV: SyntheticLayer = {
  layer: 'conv',
  input: [
    [3, 2],
    [5, 1],
  ],
  output: [
    [2, 0],
    [4, 1],
  ],
};

async function writeRuns(root: string, count: number, layers: readonly SyntheticLayer[]) {
  const folders = Array.from({ length: count }, (_, seed) => join(root, `seed${seed}`));
  for (const [seed, folder] of folders.entries()) await writeSyntheticRun(folder, { seed, layers });
  return folders;
}

async function tableOf<R>(folder: string, schema: TableSchema<R>) {
  const bytes = await readFile(join(folder, `${schema.name}.arrow`));
  return decodeTable(schema as TableSchema<never>, bytes) as R[];
}

function compare(
  root: string,
  folders: readonly string[],
  more: { top?: number; trajectory?: boolean } = {},
) {
  const { top, trajectory = false } = more;
  return runComparison({ folders, out: join(root, 'out'), top, trajectory }, NEVER, SILENT);
}

/** The eigenvectors of an operator of FC1 at full length, from the frames alone. */
function dense(seed: number, operator: string): readonly Float64Array[] {
  const frame = (factor: string, n: number) => vectorsOf(syntheticFrame(seed, 'fc1', factor, n));
  if (operator === 'input') return frame('input', 4);
  if (operator === 'output') return frame('output', 3);
  if (operator === 'ggn') return frame('ggn', 12);
  const [v, u] = [frame('input', 4), frame('output', 3)];
  return kroneckerSpectrum([{ input: FC1.input[0] ?? [], output: FC1.output[0] ?? [] }], 12).map(
    ({ outputIndex, inputIndex }) =>
      Float64Array.from({ length: 12 }, (_, at) => {
        const [i, j] = [Math.floor(at / 4), at % 4];
        return (u[outputIndex]?.[i] ?? 0) * (v[inputIndex]?.[j] ?? 0);
      }),
  );
}

test('every overlap of every pair is that of the eigenvectors at full length', async () => {
  await inTemporaryFolder(async (root) => {
    const record = await compare(root, await writeRuns(root, 3, [FC1]));
    const rows = await tableOf(join(root, 'out'), OVERLAP);
    const counts = { output: 3, input: 4, kron: 12, ggn: 4 };
    assert.equal(rows.length, 3 * (3 + 4 + 12 + 4));
    for (const { run_a, run_b, layer, operator, k, overlap } of rows) {
      const [a, b] = [run_a, run_b].map((name) => dense(Number(name.slice(4)), operator));
      assert.equal(layer, 'fc1');
      assert.ok(Math.abs(overlap - denseOverlap(a ?? [], b ?? [], k)) < 1e-12);
    }
    assert.deepEqual(
      record.layers[0]?.operators.map(({ operator, top, dimension }) => [operator, top, dimension]),
      [
        ['output', 3, 3],
        ['input', 4, 4],
        ['kron', 12, 12],
        ['ggn', 4, 12],
      ],
    );
    const means = await tableOf(join(root, 'out'), MEAN_OVERLAP);
    for (const [operator, count] of Object.entries(counts)) {
      const own = means.filter((row) => row.operator === operator);
      assert.deepEqual(
        own.map(({ k }) => k),
        Array.from({ length: count }, (_, at) => at + 1),
      );
      for (const { k, mean, standard_deviation, pairs, baseline } of own) {
        const values = rows.filter((row) => row.operator === operator && row.k === k);
        const [x = 0, y = 0, z = 0] = values.map(({ overlap }) => overlap);
        const average = (x + y + z) / 3;
        const squares = (x - average) ** 2 + (y - average) ** 2 + (z - average) ** 2;
        assert.equal(pairs, 3);
        assert.ok(Math.abs(mean - average) < 1e-14);
        assert.ok(Math.abs((standard_deviation ?? -1) - Math.sqrt(squares / 2)) < 1e-12);
        assert.equal(baseline, k / (operator === 'input' ? 4 : operator === 'output' ? 3 : 12));
      }
    }
  });
});

test('of blocks that were formed as many eigenvectors are compared as are stored', async () => {
  await inTemporaryFolder(async (root) => {
    const folders = await writeRuns(root, 2, [FC1]);
    // spectra.arrow has all four eigenvalues.
    for (const folder of folders) {
      const record = JSON.parse(await readFile(join(folder, RECORD_FILE), 'utf8'));
      record.options.top = 3;
      await writeFile(join(folder, RECORD_FILE), JSON.stringify(record));
      const path = join(folder, 'eigenvectors', 'fc1.ggn.arrow');
      const { values, columns, ...rest } = decodeMatrixFile(await readFile(path));
      const few = { ...rest, rows: 3, columns, values: values.slice(0, 3 * columns) };
      await writeFile(path, encodeMatrixFile(few));
    }
    const record = await compare(root, folders);
    const ggn = record.layers[0]?.operators.find(({ operator }) => operator === 'ggn');
    assert.deepEqual([ggn?.top, ggn?.limitedBy], [3, 'seed0']);
  });
});

test('the prediction is the squared cosine of the top inputs, and met at k = m', async () => {
  await inTemporaryFolder(async (root) => {
    const record = await compare(root, await writeRuns(root, 3, [FC1]));
    const predictions = await tableOf(join(root, 'out'), PREDICTION);
    const rows = await tableOf(join(root, 'out'), OVERLAP);
    assert.equal(predictions.length, 3);
    let sum = 0;
    for (const { run_a, run_b, peak_k, height, holds } of predictions) {
      const [t, u] = [run_a, run_b].map((name) => dense(Number(name.slice(4)), 'input')[0] ?? []);
      assert.ok(Math.abs(height - dot(t ?? [], u ?? []) ** 2) < 1e-12);
      assert.deepEqual([peak_k, holds], [3, true]);
      const met = rows.find(
        (row) =>
          row.run_a === run_a && row.run_b === run_b && row.operator === 'kron' && row.k === 3,
      );
      assert.ok(Math.abs((met?.overlap ?? -1) - height) < 1e-12);
      sum += height;
    }
    const { prediction } = record.layers[0] ?? {};
    assert.ok(Math.abs((prediction?.height ?? 0) - sum / 3) < 1e-14);
    assert.deepEqual([prediction?.k, prediction?.holds, prediction?.pairs], [3, 3, 3]);
    const means = await tableOf(join(root, 'out'), MEAN_OVERLAP);
    const predicted = (operator: string) =>
      means.filter((row) => row.operator === operator).map((row) => row.predicted);
    assert.deepEqual(predicted('output'), [null, null, null]);
    assert.ok(Math.abs((predicted('kron')[1] ?? 0) - (2 / 3) * (sum / 3)) < 1e-14);
    assert.deepEqual(predicted('ggn')[3], null);
  });
});

test('groups are compared one by one, and together; eigenvalues of 0 end a curve', async () => {
  await inTemporaryFolder(async (root) => {
    const record = await compare(root, await writeRuns(root, 2, [CONV]));
    assert.deepEqual(
      record.layers[0]?.operators.map(({ operator, top, limitedBy }) => [operator, top, limitedBy]),
      [
        ['g0.output', 1, 'seed0'],
        ['g1.output', 2, null],
        ['g0.input', 2, null],
        ['g1.input', 2, null],
        ['kron', 6, 'seed0'],
      ],
    );
    assert.deepEqual(record.layers[0]?.prediction?.holds, 0);
    assert.equal(record.layers[0]?.prediction?.k, 4);
    const [mean] = await tableOf(join(root, 'out'), MEAN_OVERLAP);
    assert.equal(mean?.standard_deviation, null);
  });
});

test('a layer whose factors are 0 is compared nowhere, and nothing fails', async () => {
  await inTemporaryFolder(async (root) => {
    const dead = { layer: 'dead', input: [[0, 0]], output: [[0, 0]] };
    const record = await compare(root, await writeRuns(root, 2, [dead, FC1]));
    assert.deepEqual(
      record.layers[0]?.operators.map(({ top, peak }) => [top, peak]),
      [
        [0, null],
        [0, null],
        [0, null],
      ],
    );
    assert.equal(record.layers[0]?.prediction, null);
    assert.equal((await tableOf(join(root, 'out'), PREDICTION)).length, 1);
  });
});

test('--top bounds k', async () => {
  await inTemporaryFolder(async (root) => {
    const { layers } = await compare(root, await writeRuns(root, 2, [FC1]), { top: 2 });
    assert.deepEqual(
      layers[0]?.operators.map(({ top }) => top),
      [2, 2, 2, 2],
    );
  });
});

test('equal runs have overlap 1 everywhere', async () => {
  await inTemporaryFolder(async (root) => {
    const folders = [join(root, 'a'), join(root, 'b')];
    for (const folder of folders) await writeSyntheticRun(folder, { seed: 3, layers: [FC1] });
    await compare(root, folders);
    for (const { overlap } of await tableOf(join(root, 'out'), OVERLAP))
      assert.ok(overlap > 1 - 1e-12 && overlap <= 1);
  });
});

test('the same comparison gives the same bytes', async () => {
  await inTemporaryFolder(async (root) => {
    const folders = await writeRuns(root, 2, [FC1, CONV]);
    const digest = async () => {
      await compare(root, folders, { trajectory: true });
      const found = await digests(join(root, 'out'));
      await rm(join(root, 'out'), { recursive: true });
      return found;
    };
    assert.deepEqual(await digest(), await digest());
  });
});

test('layers that are not common are named, and the others compared', async () => {
  await inTemporaryFolder(async (root) => {
    const [a, b] = [join(root, 'a'), join(root, 'b')];
    await writeSyntheticRun(a, { seed: 1, layers: [FC1, CONV] });
    await writeSyntheticRun(b, { seed: 2, layers: [{ ...CONV, layer: 'other' }, FC1] });
    const record = await compare(root, [a, b]);
    assert.deepEqual(record.leftOut, [
      { layer: 'conv', missingIn: ['b'] },
      { layer: 'other', missingIn: ['a'] },
    ]);
    assert.deepEqual(
      record.layers.map(({ layer }) => layer),
      ['fc1'],
    );
  });
});

test('exact operators that a run lacks, and differing data and options, are noted', async () => {
  await inTemporaryFolder(async (root) => {
    const [a, b] = [join(root, 'a'), join(root, 'b')];
    const { ggn: _, ...without } = FC1;
    await writeSyntheticRun(a, { seed: 1, layers: [FC1] });
    const options = { bias: 'separate', curvature: 'ggn', sharing: 'reduce', measures: ['eigen'] };
    const data = [{ name: 'x', path: 'other.npz', sha256: 'ef' }];
    await writeSyntheticRun(b, { seed: 2, layers: [without], record: { options, data } });
    const { warnings } = await compare(root, [a, b]);
    assert.deepEqual(warnings, [
      'sharing is not set in a and reduce in b',
      'a and b were measured on different data',
      "layer 'fc1', ggn: not compared, b has no eigenvectors of it",
    ]);
  });
});

test('a trajectory follows measures, eigenvalues and overlaps step by step', async () => {
  await inTemporaryFolder(async (root) => {
    const folders: string[] = [];
    for (const step of [0, 1, 2]) {
      const folder = join(root, `epoch${step}`);
      const structure = [
        { layer: 'fc1', measure: 'eigenspace_overlap', k: 2, value: 0.5 + step / 10 },
      ];
      const record = { loss: 1 / (step + 1), accuracy: null };
      await writeSyntheticRun(folder, { seed: step, layers: [FC1], structure, record });
      folders.push(folder);
    }
    await compare(root, folders, { trajectory: true });
    const rows = await tableOf(join(root, 'out'), TRAJECTORY);
    const of = (measure: string) => rows.filter((row) => row.measure === measure);
    assert.deepEqual(
      of('loss').map(({ step, run, value }) => [step, run, value]),
      [
        [0, 'epoch0', 1],
        [1, 'epoch1', 1 / 2],
        [2, 'epoch2', 1 / 3],
      ],
    );
    assert.equal(of('accuracy').length, 0);
    assert.deepEqual(
      of('eigenspace_overlap').map(({ k, value }) => [k, value]),
      [
        [2, 0.5],
        [2, 0.6],
        [2, 0.7],
      ],
    );
    const tops = of('eigenvalue').filter(({ operator, step }) => operator === 'kron' && step === 0);
    assert.deepEqual([tops.length, tops[0]?.k, tops[0]?.value], [10, 1, 60]);
    const overlaps = await tableOf(join(root, 'out'), OVERLAP);
    const expected = (a: string, b: string) =>
      overlaps.find(
        (row) => row.run_a === a && row.run_b === b && row.operator === 'kron' && row.k === 3,
      )?.overlap;
    const found = (measure: string) =>
      of(measure)
        .filter(({ operator, k }) => operator === 'kron' && k === 3)
        .map(({ step, value }) => [step, value]);
    const [e01, e02, e12] = [
      ['0', '1'],
      ['0', '2'],
      ['1', '2'],
    ].map(([a, b]) => expected(`epoch${a}`, `epoch${b}`));
    assert.deepEqual(found('overlap_with_first'), [
      [1, e01],
      [2, e02],
    ]);
    assert.deepEqual(found('overlap_with_previous'), [
      [1, e01],
      [2, e12],
    ]);
    assert.deepEqual(found('overlap_with_last'), [
      [0, e02],
      [1, e12],
    ]);
    assert.deepEqual([...new Set(of('overlap_with_first').map(({ k }) => k))], [1, 2, 3]);
  });
});

test('bad input is refused in one sentence, and nothing is written', async () => {
  await inTemporaryFolder(async (root) => {
    const folders = await writeRuns(root, 2, [FC1]);
    const [first = '', second = ''] = folders;
    const before = await filesBelow(root);
    const refused = (given: readonly string[], message: RegExp) =>
      assert.rejects(compare(root, given), message);
    await refused([first], /two runs or more/);
    await refused([first, first], /is given twice/);
    await refused(
      [first, join(root, 'none')],
      /none is not a result folder: there is no such folder/,
    );
    const wide = { layer: 'fc1', input: [[1, 1, 1, 1, 1]], output: [[1, 1, 1]] };
    await writeSyntheticRun(join(root, 'wide'), { seed: 1, layers: [wide] });
    await refused(
      [first, join(root, 'wide')],
      /layer 'fc1' has 3x4 weights in seed0 and 3x5 in wide; compare runs of one architecture/,
    );
    await writeSyntheticRun(join(root, 'apart'), { seed: 1, layers: [{ ...FC1, layer: 'x' }] });
    await refused([first, join(root, 'apart')], /seed0, apart have no layer in common/);
    await writeFile(join(root, 'text'), '');
    const out = (path: string) =>
      runComparison({ folders, out: path, top: undefined, trajectory: false }, NEVER, SILENT);
    await assert.rejects(out(first), /seed0 is not empty: give another folder/);
    await assert.rejects(out(join(root, 'text')), /is a file or lies below one/);
    await rm(join(second, 'eigenvectors/fc1.output.arrow'));
    await refused(folders, /eigenvectors.*'output' of layer 'fc1' is missing: .*--measure eigen/);
    const after = await filesBelow(root);
    assert.deepEqual(
      after.filter((name) => name.startsWith('out')),
      [],
    );
    assert.ok(after.length > before.length);
  });
});

test('a comparison that was killed while writing may be made again', async () => {
  await inTemporaryFolder(async (root) => {
    const folders = await writeRuns(root, 2, [FC1]);
    await mkdir(join(root, 'out'));
    await writeFile(join(root, 'out/run.json'), '{"command": "compare", "status": "running"}');
    const { status } = await compare(root, folders);
    assert.equal(status, 'finished');
    await assert.rejects(compare(root, folders), /is not empty/);
  });
});

test('an aborted comparison writes nothing', async () => {
  await inTemporaryFolder(async (root) => {
    const folders = await writeRuns(root, 2, [FC1]);
    const reason = new Error('enough');
    const request = { folders, out: join(root, 'out'), top: undefined, trajectory: false };
    await assert.rejects(runComparison(request, AbortSignal.abort(reason), SILENT), reason);
    assert.ok(!(await filesBelow(root)).some((name) => name.startsWith('out')));
  });
});
