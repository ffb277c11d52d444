// Eigen tasks: what they store, and errors that name the layer.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type BundleTensor,
  create,
  decodeBundle,
  type EigenTask,
  EigenTaskSchema,
  encodeBundle,
  FolderStore,
  KronlensError,
  packSymmetric,
} from '@kronlens/proto';
import { createLinearAlgebra, type LinearAlgebra } from '../linalg/index.js';
import { EigenTaskError, NotFiniteFactorError, runEigen } from './eigen.js';

let folder = '';
let store: FolderStore;
let linalg: LinearAlgebra;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kronlens-eigen-'));
  store = new FolderStore(folder);
  linalg = await createLinearAlgebra('auto');
});
after(async () => {
  await linalg.close();
  await rm(folder, { recursive: true });
});

/** U diag(1, 2, 3, 4) U^T with U a reflection: known eigenvalues and vectors. */
const N = 4;
const DIRECTION = [0.5, -0.5, 0.5, 0.5];
const reflection = (i: number, j: number): number =>
  (i === j ? 1 : 0) - 2 * (DIRECTION[i] ?? 0) * (DIRECTION[j] ?? 0);
const MATRIX = Float64Array.from({ length: N * N }, (_, at) => {
  const [i, j] = [Math.floor(at / N), at % N];
  return [1, 2, 3, 4].reduce(
    (sum, value, k) => sum + reflection(i, k) * value * reflection(j, k),
    0,
  );
});

const packed: BundleTensor = {
  name: 'conv1.g0/input',
  shape: [N, N],
  symmetric: true,
  values: packSymmetric(MATRIX, N),
};

async function taskOf(tensor: BundleTensor, changes: Partial<EigenTask> = {}): Promise<EigenTask> {
  const bundle = await store.put(encodeBundle([tensor]));
  const base = { bundle, tensor: tensor.name, scale: 1, layer: 'conv1', size: BigInt(N) };
  return create(EigenTaskSchema, { ...base, ...changes });
}

async function run(task: EigenTask) {
  const [artifact, ...more] = await runEigen(task, { store, linalg });
  assert.equal(artifact?.name, 'eigen');
  assert.equal(more.length, 0);
  return artifact.bytes;
}

test('eigenvalues, largest first, and eigenvectors in rows', async () => {
  const tensors = decodeBundle(await run(await taskOf(packed, { scale: 0.5 })));
  assert.deepEqual([...tensors.keys()], ['eigenvalues', 'eigenvectors']);
  const [values, vectors] = [tensors.get('eigenvalues'), tensors.get('eigenvectors')];
  assert.deepEqual(values?.shape, [N]);
  assert.deepEqual(vectors?.shape, [N, N]);
  assert.equal(vectors?.symmetric, false);
  for (let i = 0; i < N; i++) {
    assert.ok(Math.abs((values?.values[i] ?? 0) - (N - i) / 2) < 1e-14);
    // Column N - 1 - i of the reflection, up to its sign.
    const row = vectors?.values.subarray(i * N, (i + 1) * N) ?? new Float64Array();
    const dot = row.reduce((sum, value, j) => sum + value * reflection(j, N - 1 - i), 0);
    assert.ok(Math.abs(Math.abs(dot) - 1) < 1e-14);
    const largest = row.reduce(
      (most, value) => (Math.abs(value) > Math.abs(most) ? value : most),
      0,
    );
    assert.ok(largest > 0);
  }
});

test('packed or full, asked once or twice: the same bytes', async () => {
  const bytes = await run(await taskOf(packed));
  assert.deepEqual(await run(await taskOf(packed)), bytes);
  assert.deepEqual(await run(await taskOf({ ...packed, symmetric: false, values: MATRIX })), bytes);
});

test('NaN or infinity in the factor is an error of the input that names the layer', async () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const values = packed.values.map((value, i) => (i === 2 ? bad : value));
    await assert.rejects(run(await taskOf({ ...packed, values })), (error) => {
      assert.ok(error instanceof NotFiniteFactorError);
      assert.match(error.message, /factor 'conv1.g0\/input' of layer 'conv1' .*entry \[0, 2\]/);
      assert.equal(error.badInput, true);
      assert.equal(error.details.layer, 'conv1');
      return true;
    });
  }
});

test('other failures name the layer too', async () => {
  const values = MATRIX.map((value, i) => (i === 1 ? 9 : value));
  const task = await taskOf({ ...packed, symmetric: false, values });
  await assert.rejects(run(task), (error) => {
    assert.ok(error instanceof KronlensError);
    assert.equal(error.code, 'matrix-not-symmetric');
    assert.match(error.message, /layer 'conv1': the matrix is not symmetric: entry \[0, 1\]/);
    return true;
  });
});

test('tasks that ask for something else than a square matrix are refused', async () => {
  const refused = async (task: Promise<EigenTask>, message: RegExp) =>
    assert.rejects(run(await task), (error) => {
      assert.ok(error instanceof EigenTaskError);
      assert.match(error.message, message);
      return true;
    });
  await refused(taskOf(packed, { tensor: 'fc9/input' }), /bundle [0-9a-f]{64} lacks it/);
  const flat = { ...packed, symmetric: false, shape: [N * N], values: MATRIX };
  await refused(taskOf(flat), /it is \[16\], not a square matrix/);
  await refused(taskOf({ ...flat, shape: [2, 8] }), /it is \[2, 8\]/);
  await refused(taskOf(packed, { scale: 0 }), /its scale is 0/);
  await refused(taskOf(packed, { scale: Number.NaN }), /its scale is NaN/);
});
