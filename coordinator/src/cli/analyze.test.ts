// The command analyze on the digits, as users run it.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  decodeMatrixFile,
  decodeTable,
  LAYERS,
  type MatrixFile,
  SPECTRA,
  STRUCTURE,
} from '@kronlens/proto';
import type { RunRecord } from '../plan/run-record.js';
import { examplePath, kronlens } from '../testing/kronlens-process.js';
import { writeNpy } from '../testing/npy-file.js';
import { digests, filesBelow, inTemporaryFolder } from '../testing/result-folder.js';

const LENET = examplePath('digits/lenet.onnx');
const MLP = examplePath('digits/mlp.onnx');
const DIGITS = examplePath('digits/digits.npz');

const analyze = (model: string, out: string, ...more: readonly string[]) =>
  kronlens('analyze', model, '--data', DIGITS, '--out', out, ...more);
const matrix = async (folder: string, file: string): Promise<MatrixFile> =>
  decodeMatrixFile(await readFile(join(folder, file)));
const record = async (folder: string): Promise<RunRecord> =>
  JSON.parse(await readFile(join(folder, 'run.json'), 'utf8'));
const close = (actual: number, expected: number, tolerance: number, what: string) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, expected ${expected}`);

test('a run writes every file, a record and a summary; nothing else stays', () =>
  inTemporaryFolder(async (folder) => {
    const out = join(folder, 'deep', 'lenet');
    const { code, stdout, stderr } = await analyze(LENET, out);
    assert.equal(code, 0, stderr);
    const layers = ['conv1', 'conv2', 'fc1', 'fc2', 'fc3'];
    assert.deepEqual(
      await filesBelow(out),
      [
        ...layers.flatMap((layer) => [
          ...['input', 'mean', 'output'].map((kind) => `factors/${layer}.${kind}.arrow`),
          ...['ggn', 'input', 'output'].map((kind) => `eigenvectors/${layer}.${kind}.arrow`),
          ...(layer.startsWith('fc') ? [`factors/${layer}.surrogate.arrow`] : []),
          ...['input', 'output', 'singular_values'].map(
            (kind) => `correspondence/${layer}.${kind}.arrow`,
          ),
        ]),
        ...['layers.arrow', 'run.json', 'spectra.arrow', 'structure.arrow'],
      ].sort(),
    );
    const { status, loss, accuracy, resolved, hardware } = await record(out);
    assert.equal(status, 'finished');
    close(Number(loss), 0.0498, 5e-5, 'loss');
    close(Number(accuracy), 0.9878, 5e-5, 'accuracy');
    assert.deepEqual(resolved, { loss: 'cross-entropy', samples: 1797, batch: 256, programs: 1 });
    assert.equal(hardware.length, 1);
    assert.match(stdout, /^conv1 +6x9 /m);
    assert.match(stdout, /1,797 samples, cross-entropy 0\.04978, accuracy 98\.78%/);
    assert.match(stderr, /^factors +1,797 samples in /m);
    assert.match(stderr, /^eigen +18 matrices in /m);
    assert.match(stderr, /^curvature 2 layers in /m);
  }));

test('eigenpairs rebuild the factors, and the tables agree with them', () =>
  inTemporaryFolder(async (out) => {
    const { code, stderr } = await analyze(LENET, out, '--top', '7');
    assert.equal(code, 0, stderr);
    const table = async <R extends Record<string, string | number | boolean | null>>(
      schema: Parameters<typeof decodeTable<R>>[0],
    ) => decodeTable(schema, await readFile(join(out, `${schema.name}.arrow`)));
    const spectra = await table(SPECTRA);
    const structure = await table(STRUCTURE);
    const layers = await table(LAYERS);
    assert.deepEqual(
      layers.map(({ layer, out_dim, in_dim, positions, params }) => [
        layer,
        out_dim,
        in_dim,
        positions,
        params,
      ]),
      [
        ['conv1', 6, 9, 64, 54],
        ['conv2', 16, 54, 16, 864],
        ['fc1', 48, 64, 1, 3072],
        ['fc2', 32, 48, 1, 1536],
        ['fc3', 10, 32, 1, 320],
      ],
    );
    for (const { layer } of layers) {
      const values = (operator: string) =>
        spectra
          .filter((row) => row.layer === layer && row.operator === operator)
          .map(({ eigenvalue }) => eigenvalue);
      for (const operator of ['input', 'output']) {
        const factor = await matrix(out, `factors/${layer}.${operator}.arrow`);
        const vectors = await matrix(out, `eigenvectors/${layer}.${operator}.arrow`);
        const eigenvalues = values(operator);
        const n = factor.rows;
        assert.equal(factor.layer, layer);
        assert.equal(eigenvalues.length, n);
        const [largest = 0] = eigenvalues;
        for (let i = 0; i < n; i++)
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (const [k, value] of eigenvalues.entries())
              sum += value * Number(vectors.values[k * n + i]) * Number(vectors.values[k * n + j]);
            close(sum, Number(factor.values[i * n + j]), 1e-12 * largest, `${layer} ${operator}`);
          }
      }
      const products = values('output').flatMap((m) => values('input').map((x) => m * x));
      assert.deepEqual(values('kron'), products.sort((a, b) => b - a).slice(0, 7));
      const [first = 0, second = 0] = values('input');
      const measure = (name: string) =>
        structure.find((row) => row.layer === layer && row.measure === name)?.value;
      assert.equal(measure('spectral_ratio'), first / second);
      const alignment = Number(measure('mean_alignment'));
      assert.ok(alignment > 0.9 && alignment <= 1, `${layer}: ${alignment}`);
      if (!layer.startsWith('fc')) continue;
      const mean = await matrix(out, `factors/${layer}.mean.arrow`);
      const top = await matrix(out, `eigenvectors/${layer}.input.arrow`);
      const dot = mean.values.reduce((sum, x, i) => sum + x * Number(top.values[i]), 0);
      const squared = mean.values.reduce((sum, x) => sum + x * x, 0);
      close(alignment, dot ** 2 / squared, 1e-12, `${layer} mean alignment`);
    }
  }));

test('--json prints the summary alone on stdout', () =>
  inTemporaryFolder(async (out) => {
    const { code, stdout, stderr } = await analyze(MLP, out, '--json', '--samples', '300');
    assert.equal(code, 0, stderr);
    const summary = JSON.parse(stdout);
    assert.equal(summary.samples, 300);
    assert.equal(summary.wasFinished, false);
    assert.deepEqual(
      summary.layers.map(({ layer }: { layer: string }) => layer),
      ['fc1', 'fc2', 'fc3'],
    );
  }));

test('result files do not depend on shards and parallel tasks', () =>
  inTemporaryFolder(async (folder) => {
    const variants = [
      ['--parallel', '1'],
      ['--parallel', '3', '--shard', '1'],
      ['--parallel', '2', '--shard', '300'],
      ['--shard', '100000'],
    ];
    const found: Record<string, string>[] = [];
    for (const [index, variant] of variants.entries()) {
      const out = join(folder, String(index));
      const { code, stderr } = await analyze(LENET, out, '--batch', '64', ...variant);
      assert.equal(code, 0, stderr);
      found.push(await digests(out));
    }
    for (const other of found.slice(1)) assert.deepEqual(other, found[0]);
  }));

test('a small memory limit splits the layers over several programs, with the same factors', () =>
  inTemporaryFolder(async (folder) => {
    const run = async (name: string, ...more: readonly string[]) => {
      const out = join(folder, name);
      const { code, stderr } = await analyze(
        LENET,
        out,
        ...['--samples', '100', '--measure', 'factors'],
        ...more,
      );
      assert.equal(code, 0, stderr);
      assert.match(stderr, /^factors +100 samples in /m);
      return out;
    };
    const [one, several] = [await run('one'), await run('several', '--memory', '200k')];
    const [a, b] = [await record(one), await record(several)];
    assert.deepEqual([a.resolved.programs, b.resolved.programs], [1, 5]);
    close(Number(b.loss), Number(a.loss), 1e-6, 'loss');
    assert.equal(b.accuracy, a.accuracy);
    for (const file of (await filesBelow(one)).filter((name) => name.startsWith('factors'))) {
      const [x, y] = [await matrix(one, file), await matrix(several, file)];
      const largest = Math.max(...x.values.map(Math.abs));
      x.values.forEach((value, i) => {
        close(Number(y.values[i]), value, 1e-6 * largest, `${file}, entry ${i}`);
      });
    }
  }));

test('drawn labels depend on the seed alone', () =>
  inTemporaryFolder(async (folder) => {
    const run = async (name: string, ...more: readonly string[]) => {
      const out = join(folder, name);
      const { code, stderr } = await analyze(
        MLP,
        out,
        '--measure',
        'factors',
        '--output-hessian',
        'mc',
        '--samples',
        '500',
        ...more,
      );
      assert.equal(code, 0, stderr);
      return await matrix(out, 'factors/fc3.output.arrow');
    };
    const [one, small, other] = [
      await run('one', '--seed', '1'),
      await run('small', '--seed', '1', '--batch', '20', '--shard', '40'),
      await run('other', '--seed', '2'),
    ];
    const largest = Math.max(...one.values);
    one.values.forEach((value, index) => {
      close(Number(small.values[index]), value, 1e-6 * largest, `entry ${index}`);
    });
    assert.ok(
      one.values.some((value, i) => Math.abs(value - Number(other.values[i])) > 1e-3 * largest),
    );
  }));

test('--measure, --layers and --exclude leave out what is not asked for', () =>
  inTemporaryFolder(async (folder) => {
    const run = async (name: string, ...more: readonly string[]) => {
      const { code, stderr } = await analyze(
        LENET,
        join(folder, name),
        '--samples',
        '200',
        ...more,
      );
      assert.equal(code, 0, stderr);
      return await filesBelow(join(folder, name));
    };
    const tables = ['layers.arrow', 'run.json'];
    assert.deepEqual(
      await run('factors', '--measure', 'factors', '--layers', 'fc*', '--exclude', 'fc1,fc3'),
      [...['input', 'mean', 'output'].map((kind) => `factors/fc2.${kind}.arrow`), ...tables],
    );
    assert.deepEqual(await run('structure', '--measure', 'structure'), [
      ...['fc1', 'fc2', 'fc3'].map((layer) => `factors/${layer}.surrogate.arrow`),
      ...tables,
      'structure.arrow',
    ]);
    assert.deepEqual(await run('eigen', '--measure', 'eigen', '--layers', 'conv2'), [
      'eigenvectors/conv2.input.arrow',
      'eigenvectors/conv2.output.arrow',
      ...tables,
      'spectra.arrow',
    ]);
  }));

test('labels come from a file of their own, or not at all', () =>
  inTemporaryFolder(async (folder) => {
    const labels = join(folder, 'labels.npz');
    await writeFile(labels, await readFile(DIGITS));
    const own = join(folder, 'own');
    const given = await analyze(MLP, own, '--labels', labels, '--samples', '100');
    assert.equal(given.code, 0, given.stderr);
    assert.equal((await record(own)).data.find(({ name }) => name === 'y')?.path, labels);
    const images = await writeNpy(
      join(folder, 'x.npy'),
      new Uint8Array(20 * 64).fill(8),
      [20, 8, 8],
    );
    const out = join(folder, 'none');
    const none = await kronlens('analyze', MLP, '--data', images, '--scale', '1/16', '--out', out);
    assert.equal(none.code, 0, none.stderr);
    assert.match(none.stdout, /20 samples, no labels/);
    const { loss, accuracy, warnings } = await record(out);
    assert.deepEqual([loss, accuracy], [null, null]);
    assert.deepEqual(warnings, ["data 'x' with samples of shape [8, 8] is read as [1, 8, 8]"]);
    const mean = await matrix(out, 'factors/fc1.mean.arrow');
    assert.ok(mean.values.every((value) => value === 0.5));
  }));
