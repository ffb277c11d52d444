// Exact Gauss-Newton blocks and their products with vectors against float64 oracles from PyTorch (fixtures/curvature).
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { Tensor } from './graph/index.js';
import { tensor } from './graph/index.js';
import type { Layer } from './layers/index.js';
import { buildCurvaturePrograms, type CurvaturePrograms } from './programs/curvature.js';
import {
  type FactorOptions,
  type LossName,
  type OpenedModel,
  openModel,
  planCurvature,
  planFactors,
} from './programs/index.js';
import { readNpz } from './testing/npz-file.js';
import { ortEvaluator } from './testing/ort-evaluator.js';
import { addTo, batches, runBatch, sumOverData } from './testing/sum-program.js';

interface OracleArray {
  readonly shape: readonly number[];
  readonly float64: string;
}

interface OracleBlock {
  readonly layer: string;
  readonly curvature: 'ggn' | 'hessian';
  readonly bias: FactorOptions['bias'];
  readonly outDim: number;
  readonly inDim: number;
  readonly groups: number;
  readonly dimension: number;
  readonly trace: number;
  readonly frobenius: number;
  readonly eigenvalues: readonly number[];
  readonly probes: { readonly vectors: OracleArray; readonly products: OracleArray };
}

interface Oracle {
  readonly samples: number;
  readonly loss: LossName;
  readonly outputs: number;
  readonly layers: readonly OracleBlock[];
}

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures');
/** Of numbers and, in the Euclidean norm, of vectors; of eigenvalues relative to the largest. */
const TOLERANCE = 1e-5;
/** Leaves a last batch that is not full. */
const BATCH = 16;
const MEMORY_BYTES = 2 ** 30;

function numbers(array: OracleArray): Float64Array {
  return new Float64Array(Uint8Array.from(Buffer.from(array.float64, 'base64')).buffer);
}

function norm(values: Float64Array): number {
  return Math.hypot(...values);
}

function assertNear(what: string, got: number, expected: number, scale = expected): void {
  const error = Math.abs(got - expected) / Math.abs(scale);
  assert.ok(error <= TOLERANCE, `${what}: ${got} instead of ${expected}, relative error ${error}`);
}

function assertVectors(what: string, got: Float64Array, expected: Float64Array, dim: number): void {
  assert.equal(got.length, expected.length, `${what}: number of values`);
  for (let start = 0; start < expected.length; start += dim) {
    const wanted = expected.subarray(start, start + dim);
    const error = norm(wanted.map((value, index) => value - (got[start + index] ?? Number.NaN)));
    const relative = error / norm(wanted);
    assert.ok(relative <= TOLERANCE, `${what}, vector ${start / dim}: relative error ${relative}`);
  }
}

function assertBlock(what: string, block: Float64Array, expected: OracleBlock): void {
  const { dimension } = expected;
  assert.equal(block.length, dimension ** 2, `${what}: number of values`);
  const rows = Array.from({ length: dimension }, (_, row) =>
    Array.from(block.subarray(row * dimension, (row + 1) * dimension)),
  );
  const diagonal = rows.reduce((sum, row, index) => sum + (row[index] ?? Number.NaN), 0);
  assertNear(`trace of ${what}`, diagonal, expected.trace);
  assertNear(`Frobenius norm of ${what}`, norm(block), expected.frobenius);
  const { realEigenvalues } = new EigenvalueDecomposition(new Matrix(rows), {
    assumeSymmetric: true,
  });
  const descending = realEigenvalues.sort((a, b) => b - a);
  expected.eigenvalues.forEach((value, index) => {
    const got = descending[index] ?? Number.NaN;
    assertNear(`eigenvalue ${index} of ${what}`, got, value, expected.eigenvalues[0]);
  });
}

/** The vectors as rows, times the symmetric block. */
function multiply(vectors: Float64Array, block: Float64Array, dim: number): Float64Array {
  return new Float64Array(vectors.length).map((_, place) => {
    const start = place - (place % dim);
    const row = block.subarray((place % dim) * dim, ((place % dim) + 1) * dim);
    return row.reduce(
      (sum, value, index) => sum + value * (vectors[start + index] ?? Number.NaN),
      0,
    );
  });
}

/** The mean over the data of what the programs make of the vectors, by whole products. */
async function productsOf(
  full: CurvaturePrograms,
  tail: CurvaturePrograms | undefined,
  data: { readonly arrays: ReadonlyMap<string, Tensor>; readonly samples: number },
  vectors: Float64Array,
): Promise<Float64Array> {
  const probe = full.product.manifest.inputs.find(({ name }) => name === 'kl_probe');
  const [output] = full.product.manifest.outputs;
  assert.ok(probe !== undefined && output !== undefined);
  const shape = probe.shape.map(Number);
  const padded = new Float64Array(shape.reduce((product, size) => product * size, 1));
  padded.set(vectors);
  const sums = new Map<string, Float64Array>();
  for (const [{ capture, product }, first] of batches(full, tail, BATCH, data.samples)) {
    const captured = await runBatch(capture, { ...data, first });
    const given = new Map([...captured, [probe.name, tensor.floatTensor(padded, shape)]]);
    addTo(sums, await runBatch(product, { ...data, first }, given));
  }
  const sum = sums.get(output.name) ?? new Float64Array(0);
  assert.equal(sum.length, padded.length, 'number of values in the product');
  assert.ok(
    sum.subarray(vectors.length).every((value) => value === 0),
    'products with zero vectors',
  );
  return sum.subarray(0, vectors.length).map((value) => value / data.samples);
}

for (const file of readdirSync(join(FIXTURES, 'curvature')).sort()) {
  const name = file.replace(/\.json$/, '');
  const oracle: Oracle = JSON.parse(readFileSync(join(FIXTURES, 'curvature', file), 'utf8'));
  const source = join(FIXTURES, 'factors', name);
  const data = { arrays: readNpz(join(source, 'data.npz')), samples: oracle.samples };
  const run = { samples: oracle.samples, batch: BATCH, memoryBytes: MEMORY_BYTES };
  let opened: Promise<OpenedModel> | undefined;
  const model = () => {
    opened ??= openModel(join(source, 'model.onnx'), ortEvaluator);
    return opened;
  };
  const layerOf = async (block: OracleBlock): Promise<Layer> => {
    const found = (await model()).layers.layers.find((layer) => layer.name === block.layer);
    assert.ok(found !== undefined, `no layer ${block.layer}`);
    return found;
  };

  describe(`exact curvature of ${name}`, () => {
    for (const bias of ['separate', 'joint'] as const) {
      const blocks = oracle.layers.filter(
        (block) => block.curvature === 'ggn' && block.bias === bias,
      );
      if (blocks.length === 0) continue;
      const options: FactorOptions = {
        loss: oracle.loss,
        columns: { kind: 'exact' },
        sharing: 'expand',
        bias,
        labels: false,
      };

      it(`${bias} bias: one pass over the data sums traces and small blocks`, async () => {
        const { layers } = (await model()).layers;
        assert.deepEqual(
          layers.map((layer) => layer.name),
          blocks.map((block) => block.layer),
        );
        const dimensions = blocks.map((block) => block.dimension);
        const denseLimit = Math.max(...dimensions);
        const exact = { ...options, exact: { denseLimit } };
        const plan = await planFactors(await model(), layers, exact, run);
        for (const pair of plan.programs) {
          const sums = await sumOverData(pair, data);
          const meanOf = (kind: string, layer: string) => {
            const output = pair.full.manifest.outputs.find(
              (entry) => entry.kind === kind && entry.layer === layer,
            );
            assert.ok(output !== undefined, `no ${kind} of ${layer}`);
            return (sums.get(output.name) ?? new Float64Array(0)).map(
              (value) => (value * output.scale) / oracle.samples,
            );
          };
          for (const layer of pair.layers) {
            const block = blocks.find((entry) => entry.layer === layer);
            assert.ok(block !== undefined);
            const [trace = Number.NaN] = meanOf('ggn_trace', layer);
            assertNear(`ggn_trace of ${layer}`, trace, block.trace);
            const dense = meanOf('ggn', layer);
            assertBlock(`ggn of ${layer}`, dense, block);
            const { vectors, products } = block.probes;
            assertVectors(
              `ggn of ${layer} times a vector`,
              multiply(numbers(vectors), dense, block.dimension),
              numbers(products),
              block.dimension,
            );
          }
        }
      });

      for (const block of blocks) {
        it(`${bias} bias: products with vectors, ${block.layer}`, async () => {
          const layer = await layerOf(block);
          const plan = await planCurvature(await model(), layer, options, run, 100);
          assert.equal(plan.dim, block.dimension);
          assert.ok(plan.tailCapture !== undefined && plan.tailProduct !== undefined);
          const tail = { capture: plan.tailCapture, product: plan.tailProduct };
          const got = await productsOf(plan, tail, data, numbers(block.probes.vectors));
          assertVectors(`H V of ${block.layer}`, got, numbers(block.probes.products), plan.dim);
        });
      }

      it(`${bias} bias: products with vectors from padded batches`, async () => {
        const { at, places, logits } = await model();
        for (const block of blocks) {
          const programs = buildCurvaturePrograms({
            graph: await at(BATCH),
            batch: BATCH,
            places,
            logits: logits.value,
            options,
            layer: await layerOf(block),
            padded: true,
            vectors: block.probes.vectors.shape[0] ?? 0,
          });
          const got = await productsOf(programs, undefined, data, numbers(block.probes.vectors));
          const expected = numbers(block.probes.products);
          assertVectors(`H V of ${block.layer}`, got, expected, block.dimension);
        }
      });
    }
  });
}

it('blocks over the limit are not formed, their traces are', async () => {
  const model = await openModel(join(FIXTURES, 'factors', 'mlp', 'model.onnx'), ortEvaluator);
  const options: FactorOptions = {
    loss: 'cross-entropy',
    columns: { kind: 'exact' },
    sharing: 'expand',
    bias: 'separate',
    labels: false,
    exact: { denseLimit: 96 },
  };
  const run = { samples: 29, batch: BATCH, memoryBytes: MEMORY_BYTES };
  const plan = await planFactors(model, model.layers.layers, options, run);
  const outputs = plan.programs.flatMap(({ full }) => full.manifest.outputs);
  const layersWith = (kind: string) =>
    outputs.filter((output) => output.kind === kind).map(({ layer }) => layer);
  assert.deepEqual(layersWith('ggn'), ['fc2', 'fc3']);
  assert.deepEqual(layersWith('ggn_trace'), ['fc1', 'fc2', 'fc3']);
});
