// Structure tasks: what they store, and errors that name the layer.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type BundleTensor,
  create,
  decodeBundle,
  encodeBundle,
  FolderStore,
  OutputHeuristicSchema,
  packSymmetric,
  type StructureTask,
  StructureTaskSchema,
} from '@kronlens/proto';
import { createLinearAlgebra, type LinearAlgebra, type SymmetricEigen } from '../linalg/index.js';
import { randomValues } from '../linalg/testing/matrices.js';
import {
  type LayerProblem,
  layerProblem,
  type ProblemOptions,
} from '../measures/testing/layer-problem.js';
import { taskOf, Workbench } from '../testing/workbench.js';
import { runStructure } from './structure.js';

let folder = '';
let store: FolderStore;
let linalg: LinearAlgebra;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kronlens-structure-'));
  store = new FolderStore(folder);
  linalg = await createLinearAlgebra('auto');
});
after(async () => {
  await linalg.close();
  await rm(folder, { recursive: true });
});

const SHAPE = { groups: 2, outDim: 3, inDim: 4 };
const full = (name: string, shape: number[], values: Float64Array): BundleTensor => ({
  name,
  shape,
  symmetric: false,
  values,
});
const packed = (name: string, n: number, values: Float64Array): BundleTensor => ({
  name,
  shape: [n, n],
  symmetric: true,
  values: packSymmetric(values, n),
});

async function storeEigen({ values, vectors }: SymmetricEigen, to: FolderStore): Promise<string> {
  const n = values.length;
  return await to.put(
    encodeBundle([full('eigenvalues', [n], values), full('eigenvectors', [n, n], vectors)]),
  );
}

/** The task for a problem. */
async function taskFor(
  problem: LayerProblem,
  changes: Partial<StructureTask> = {},
  to: FolderStore = store,
): Promise<StructureTask> {
  const { shape, blocks, factors, pairs, exact } = problem;
  const matrices = await to.put(
    encodeBundle([
      ...blocks.flatMap(({ output, input }, g) => [
        packed(`g${g}.output`, shape.outDim, output),
        packed(`g${g}.input`, shape.inDim, input),
      ]),
    ]),
  );
  const eigen = [];
  for (const { output, input } of factors)
    eigen.push({ output: await storeEigen(output, to), input: await storeEigen(input, to) });
  const base = create(StructureTaskSchema, {
    layer: 'conv1',
    exact: await storeEigen(exact, to),
    factors: eigen,
    blocks: blocks.map((_, g) => ({
      bundle: matrices,
      output: `g${g}.output`,
      input: `g${g}.input`,
    })),
    pairs: pairs.slice(0, 6).map((pair) => ({ ...pair })),
    classes: 3,
    top: 5,
  });
  return create(StructureTaskSchema, { ...base, ...changes });
}

async function run(task: StructureTask) {
  const [artifact, ...more] = await runStructure(task, { store, linalg });
  assert.equal(artifact?.name, 'structure');
  assert.equal(more.length, 0);
  return artifact.bytes;
}

async function problemOf(options: Partial<ProblemOptions> = {}): Promise<LayerProblem> {
  return await layerProblem({ shape: SHAPE, seed: 11, noise: 0.5, ...options }, linalg);
}

test('every measure of a grouped layer, in its shape', async () => {
  const tensors = decodeBundle(await run(await taskFor(await problemOf())));
  const shapes = Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]));
  assert.deepEqual(shapes, {
    'g0.outlier_position': [1],
    'g0.outlier_ratio': [1],
    'g1.outlier_position': [1],
    'g1.outlier_ratio': [1],
    norm_frobenius_kronecker: [1],
    trace_kronecker: [1],
    rank_kronecker: [1],
    eigenvalues_kronecker: [6],
    outlier_position: [1],
    outlier_ratio: [1],
    rank: [1],
    eigenspace_overlap: [5],
    eigenvalue_ratio: [5],
    matricised_rank_ratio: [5],
    singular_values: [5, 4],
    'g0.correspondence_input': [4, 5],
    'g0.correspondence_output': [3, 5],
    'g1.correspondence_input': [4, 5],
    'g1.correspondence_output': [3, 5],
  });
  for (const [name, { values }] of tensors) assert.ok(values.every(Number.isFinite), name);
});

test('overlaps are those of the eigenvectors; the same bytes twice', async () => {
  const problem = await problemOf();
  const task = await taskFor(problem);
  const bytes = await run(task);
  assert.deepEqual(await run(task), bytes);
  const overlap = decodeBundle(bytes).get('eigenspace_overlap')?.values;
  // That of the first eigenvectors is the square of their product.
  const [h, k] = [problem.exact.vectors, problem.kroneckerVectors];
  const dot = h.subarray(0, 24).reduce((sum, value, at) => sum + value * Number(k[at]), 0);
  assert.ok(Math.abs(Number(overlap?.[0]) - dot * dot) < 1e-13);
});

test('rank-deficient factors: measures of eigenvectors end where eigenvalues are zero', async () => {
  const problem = await problemOf({ outputRank: 1, inputRank: 1, noise: 0 });
  const tensors = decodeBundle(await run(await taskFor(problem)));
  const of = (name: string) => tensors.get(name);
  assert.deepEqual([...(of('rank')?.values ?? [])], [2]);
  assert.deepEqual([...(of('rank_kronecker')?.values ?? [])], [2]);
  for (const value of of('eigenspace_overlap')?.values ?? []) assert.ok(1 - value < 1e-12);
  assert.deepEqual(of('eigenspace_overlap')?.shape, [2]);
  assert.deepEqual(of('g1.correspondence_input')?.shape, [4, 2]);
  assert.deepEqual(of('outlier_ratio')?.shape, [0]);
});

test('a dead layer: defined values, none of them NaN', async () => {
  const problem = await problemOf({ outputRank: 0, noise: 0 });
  const tensors = decodeBundle(await run(await taskFor(problem)));
  const lengths = Object.fromEntries(
    [...tensors].map(([name, { values }]) => [name, values.length]),
  );
  for (const name of [
    'g0.outlier_position',
    'outlier_position',
    'outlier_ratio',
    'eigenspace_overlap',
    'eigenvalue_ratio',
    'matricised_rank_ratio',
    'g0.correspondence_input',
  ])
    assert.equal(lengths[name], 0, name);
  assert.deepEqual([...(tensors.get('trace_kronecker')?.values ?? [])], [0]);
  assert.deepEqual([...(tensors.get('rank')?.values ?? [])], [0]);
  for (const [name, { values }] of tensors) assert.ok(values.every(Number.isFinite), name);
});

test('without an exact block the factors are measured alone; the heuristic with them', async () => {
  const shape = { groups: 1, outDim: 3, inDim: 2 };
  const problem = await layerProblem({ shape, seed: 2, noise: 0 }, linalg);
  const bundle = await store.put(
    encodeBundle([
      full('chain', [2, 3], randomValues(6, 5)),
      packed('loss', 2, Float64Array.of(0.25, -0.25, -0.25, 0.25)),
    ]),
  );
  const tensors = { bundle, weights: ['chain'], lossHessian: 'loss' };
  const heuristic = create(OutputHeuristicSchema, { ...tensors, relus: 1, shiftInvariant: true });
  const whole = create(StructureTaskSchema, { ...(await taskFor(problem)), exact: '', heuristic });
  const found = decodeBundle(await run(whole));
  assert.deepEqual(
    [...found.keys()],
    [
      'g0.outlier_position',
      'g0.outlier_ratio',
      'norm_frobenius_kronecker',
      'trace_kronecker',
      'rank_kronecker',
      'eigenvalues_kronecker',
      'heuristic_overlap',
      'surrogate_overlap',
      'surrogate_error',
      'heuristic_rank',
      'rank_output',
      'surrogate_output',
    ],
  );
  const overlap = Number(found.get('heuristic_overlap')?.values[0]);
  assert.ok(overlap >= 0 && overlap <= 1);
  assert.deepEqual(found.get('surrogate_output')?.shape, [3, 3]);
});

test('what does not fit together names the layer', async () => {
  const problem = await problemOf();
  const good = await taskFor(problem);
  const refused = async (changes: Partial<StructureTask>, says: RegExp) =>
    await assert.rejects(run(create(StructureTaskSchema, { ...good, ...changes })), (error) => {
      assert.match(String(error), /cannot measure the structure of layer 'conv1': /);
      assert.match(String(error), says);
      return true;
    });
  await refused({ factors: [] }, /names no factors/);
  await refused({ factors: good.factors.slice(1) }, /2 pairs of factors and eigenpairs of 1/);
  await refused({ pairs: good.pairs.map((p) => ({ ...p, group: 2 })) }, /no pair \(2, /);
  await refused({ pairs: [...good.pairs].reverse() }, /largest product first/);
  await refused({ exact: good.factors[0]?.input ?? '' }, /are \[4, 4\], but 4 of 24 components/);
  const [block] = good.blocks;
  assert.ok(block !== undefined);
  await refused(
    { blocks: [{ ...block, input: 'g0.output' }] },
    /'g0.output' is \[3, 3\], not \[4, 4\]/,
  );
  await refused({ blocks: [{ ...block, input: 'none' }] }, /lacks 'none'/);
});

test('the executor records structure tasks', () =>
  Workbench.use({}, async (bench) => {
    const value = await taskFor(await problemOf(), {}, bench.store);
    const task = taskOf({ case: 'structure', value });
    const first = await bench.executor.execute(task);
    assert.equal(first.artifacts[0]?.name, 'structure');
    await bench.store.delete(value.exact);
    assert.deepEqual(await bench.executor.execute(task), first);
  }));
