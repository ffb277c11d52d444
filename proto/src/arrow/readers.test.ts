// Other people's Arrow readers read our files: pyarrow, polars and DuckDB, by scripts/check-arrow-files.py.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { arrowReaders, NO_READERS, type ReaderVerdict } from '../testing/arrow-readers.js';
import { encodeBundle } from './bundle-layout.js';
import { encodeMatrixFile } from './matrix-file.js';
import { encodeTable, LAYERS, SPECTRA, STRUCTURE } from './tables.js';
import { packSymmetric } from './tensor-bundle.js';

const readers = arrowReaders();

function check(folder: string): ReaderVerdict {
  assert.ok(readers !== undefined);
  return readers(folder);
}

async function newFolder(t: TestContext): Promise<string | undefined> {
  if (readers === undefined) {
    t.skip(NO_READERS);
    return undefined;
  }
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-readers-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('they read matrices, tables with and without rows and nulls, and bundles alike', async (t) => {
  const folder = await newFolder(t);
  if (folder === undefined) return;
  const values = Float64Array.from({ length: 21 }, (_, i) => Math.sin(i) * 10 ** (i - 10));
  const square = Float64Array.from([1, 2, 2, 3]);
  const layer = {
    op: 'Conv',
    weight: 'w',
    out_dim: 6,
    in_dim: 25,
    groups: 1,
    positions: 576,
    params: 2 ** 40,
    piecewise_linear: true,
  };
  const spectrum = { layer: 'é', operator: 'input', eigenvalue: 1e-300, converged: true };
  const files = {
    'factors/a.input.arrow': encodeMatrixFile({
      layer: 'a/é',
      what: 'input autocorrelation',
      normalisation: 'mean over samples',
      rows: 3,
      columns: 7,
      values,
    }),
    'bundle.arrow': encodeBundle([
      { name: 'a', shape: [2, 2], symmetric: true, values: packSymmetric(square, 2) },
      { name: 'b', shape: [], symmetric: false, values: Float64Array.of(1) },
    ]),
    'layers.arrow': encodeTable(LAYERS, [
      { ...layer, layer: 'a', bias: null },
      { ...layer, layer: 'b', bias: 'b.bias' },
    ]),
    'spectra.arrow': encodeTable(SPECTRA, [
      { ...spectrum, index: 0, residual: null },
      { ...spectrum, index: 1, residual: 1e-12 },
    ]),
    'structure.arrow': encodeTable(STRUCTURE, []),
  };
  await mkdir(join(folder, 'factors'));
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  const { status, stdout, stderr } = check(folder);
  assert.equal(status, 0, stderr);
  assert.deepEqual(stdout.split('\n').slice(0, 5), [
    'bundle.arrow  2 x 4  name, shape, symmetric, values',
    "factors/a.input.arrow  3 x 7  input autocorrelation of 'a/é'",
    'layers.arrow  2 x 10  layer, op, weight, out_dim, in_dim, groups, positions, params, bias, piecewise_linear',
    'spectra.arrow  2 x 6  layer, operator, index, eigenvalue, residual, converged',
    'structure.arrow  0 x 4  layer, measure, k, value',
  ]);
});

test('the script fails on a truncated file, and on a folder without any', async (t) => {
  const folder = await newFolder(t);
  if (folder === undefined) return;
  const empty = check(folder);
  assert.equal(empty.status, 1);
  assert.match(empty.stderr, /no \.arrow file in/);
  await writeFile(join(folder, 'good.arrow'), encodeTable(STRUCTURE, []));
  await writeFile(join(folder, 'short.arrow'), encodeTable(STRUCTURE, []).subarray(0, 100));
  const { status, stdout, stderr } = check(folder);
  assert.equal(status, 1);
  assert.match(stderr, /^short\.arrow: /);
  assert.match(stdout, /1 of 2 files read alike/);
});
