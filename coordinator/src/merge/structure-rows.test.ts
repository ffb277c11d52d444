// Rows and notes of structure bundles, and the matrix files that are written of them.
import assert from 'node:assert/strict';
import { access, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type BundleTensor, decodeMatrixFile } from '@kronlens/proto';
import type { Layer } from '../layers/index.js';
import type { FactorOptions } from '../programs/index.js';
import { writeStructureFiles } from './structure-files.js';
import { structureNotes, structureRows } from './structure-rows.js';

const tensor = (name: string, shape: number[], ...values: number[]): BundleTensor => ({
  name,
  shape,
  symmetric: false,
  values: Float64Array.from(values),
});
const bundleOf = (...tensors: BundleTensor[]) => new Map(tensors.map((t) => [t.name, t]));
const numbers = (name: string, ...values: number[]) => tensor(name, [values.length], ...values);

const MEASURED = bundleOf(
  numbers('g0.outlier_position', 4),
  numbers('g0.outlier_ratio'),
  numbers('norm_frobenius_kronecker', 2.5),
  numbers('trace_kronecker', 3),
  numbers('rank_kronecker', 2),
  numbers('eigenvalues_kronecker', 2, 1, 0),
  numbers('outlier_position', 5),
  numbers('outlier_ratio', 7.5),
  numbers('rank', 3),
  numbers('eigenspace_overlap', 0.9, 0.8),
  numbers('eigenvalue_ratio', 1.5, 1.25, 0),
  numbers('matricised_rank_ratio', 0.99),
  tensor('singular_values', [3, 2], 0.99, 0.1, 0.9, 0.3, 0.8, 0.6),
  tensor('g0.correspondence_input', [2, 3], 1, 0.5, 0.25, 0, 0.5, 0.75),
  tensor('g0.correspondence_output', [1, 3], 1, 1, 1),
);

test('rows: k from 1, outliers by operator, nothing for what is not defined', () => {
  const rows = structureRows({ name: 'fc1', groups: 1, operator: 'ggn' }, MEASURED);
  assert.deepEqual(
    rows.map(({ measure, k, value }) => [measure, k, value]),
    [
      ['eigenspace_overlap', 1, 0.9],
      ['eigenspace_overlap', 2, 0.8],
      ['eigenvalue_ratio', 1, 1.5],
      ['eigenvalue_ratio', 2, 1.25],
      ['eigenvalue_ratio', 3, 0],
      ['matricised_rank_ratio', 1, 0.99],
      ['outlier_position_output', null, 4],
      ['outlier_position_ggn', null, 5],
      ['outlier_ratio_ggn', null, 7.5],
      ['norm_frobenius_kronecker', null, 2.5],
      ['trace_kronecker', null, 3],
    ],
  );
  assert.ok(rows.every(({ layer }) => layer === 'fc1'));
});

test('groups have outliers of their own', () => {
  const bundle = bundleOf(numbers('g0.outlier_position', 1), numbers('g1.outlier_ratio', 3));
  const rows = structureRows({ name: 'conv', groups: 2, operator: 'ggn' }, bundle);
  assert.deepEqual(
    rows.map(({ measure, value }) => [measure, value]),
    [
      ['outlier_position_g0.output', 1],
      ['outlier_ratio_g1.output', 3],
    ],
  );
});

test('notes say where measures end and why', () => {
  const layer = { name: 'fc1', groups: 1, operator: 'ggn' };
  assert.deepEqual(structureNotes(layer, MEASURED, 3), [
    "layer 'fc1': only 2 eigenvalues of the Kronecker product of its factors can be told from zero, so eigenspace overlaps end at k = 2",
  ]);
  assert.deepEqual(structureNotes(layer, MEASURED, 2), []);
  const dead = bundleOf(
    numbers('rank', 0),
    numbers('rank_kronecker', 0),
    numbers('eigenvalues_kronecker', 0, 0),
  );
  assert.deepEqual(structureNotes(layer, dead, 9), [
    "layer 'fc1': its exact block (ggn) is zero, so measures of its eigenvectors are not defined",
    "layer 'fc1': the Kronecker product of its factors is zero, so eigenspace overlaps are not defined",
  ]);
});

const OPTIONS: FactorOptions = {
  loss: 'cross-entropy',
  columns: { kind: 'exact' },
  sharing: 'expand',
  bias: 'separate',
  labels: false,
};
const layer = (groups: number): Layer => ({
  name: 'net/fc1',
  op: 'Gemm',
  weight: 'fc1.weight',
  outDim: 1,
  inDim: 2,
  groups,
  positions: 1,
  params: 2,
  bias: undefined,
  piecewiseLinear: true,
  uses: [],
});

test('matrix files of correspondence and singular values; none without eigenvectors', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-structure-'));
  try {
    await mkdir(join(folder, 'correspondence'));
    const files = { folder, layer: layer(1), stem: 'net_fc1', options: OPTIONS };
    await writeStructureFiles(files, 'ggn', MEASURED);
    const read = async (name: string) => decodeMatrixFile(await readFile(join(folder, name)));
    const input = await read('correspondence/net_fc1.input.arrow');
    assert.deepEqual([input.layer, input.rows, input.columns], ['net/fc1', 2, 3]);
    assert.deepEqual([...input.values], [1, 0.5, 0.25, 0, 0.5, 0.75]);
    assert.match(input.what, /\|\|Mat\(h_j\) v_i\|\|\^2: row i is eigenvector v_i of the input/);
    assert.equal(input.metadata?.operator, 'ggn');
    assert.equal((await read('correspondence/net_fc1.output.arrow')).rows, 1);
    const singular = await read('correspondence/net_fc1.singular_values.arrow');
    assert.deepEqual([singular.rows, singular.columns], [3, 2]);

    const grouped = new Map(MEASURED);
    for (const side of ['input', 'output'])
      grouped.set(`g1.correspondence_${side}`, tensor('', [1, 3], 0, 0, 0));
    await writeStructureFiles({ ...files, layer: layer(2), stem: 'conv' }, 'ggn', grouped);
    const second = await read('correspondence/conv.g1.input.arrow');
    assert.deepEqual([second.metadata?.group, second.metadata?.groups], ['1', '2']);
    assert.equal(second.normalisation, 'a column, over all groups, adds up to 1');

    const none = bundleOf(tensor('singular_values', [0, 2]));
    await writeStructureFiles({ ...files, stem: 'dead' }, 'ggn', none);
    await assert.rejects(access(join(folder, 'correspondence/dead.singular_values.arrow')));
    const torn = bundleOf(tensor('singular_values', [1, 1], 1));
    await assert.rejects(
      writeStructureFiles(files, 'ggn', torn),
      /lacks 'g0.correspondence_input'/,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
