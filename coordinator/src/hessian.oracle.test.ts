// Blocks of Hessians and Gauss-Newton matrices, as products with vectors, against float64 oracles (fixtures/hessian).
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { type ShapedGraph, type Tensor, tensor } from './graph/index.js';
import {
  type FactorOptions,
  type LossName,
  layerProduct,
  modelParameters,
  openModel,
  planBlockProduct,
} from './programs/index.js';
import { readNpz } from './testing/npz-file.js';
import { ortEvaluator } from './testing/ort-evaluator.js';
import { addTo, batches, runBatch } from './testing/sum-program.js';

interface OracleArray {
  readonly shape: readonly number[];
  readonly float64: string;
}

interface OracleBlock {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly curvature: 'hessian' | 'ggn';
  readonly joint: boolean;
  readonly dimension: number;
  readonly trace: number;
  readonly frobenius: number;
  readonly largest: readonly number[];
  readonly smallest: readonly number[];
  readonly probes: { readonly vectors: OracleArray; readonly products: OracleArray };
}

interface Oracle {
  readonly samples: number;
  readonly loss: LossName;
  readonly blocks: readonly OracleBlock[];
  readonly cross: readonly {
    readonly curvature: 'hessian' | 'ggn';
    readonly a: string;
    readonly b: string;
    readonly frobenius: number;
  }[];
}

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures');
/** Of products in the Euclidean norm, of eigenvalues relative to the largest magnitude. */
const TOLERANCE = 1e-5;
/** Leaves a last batch that is not full. */
const BATCH = 16;
const MEMORY_BYTES = 2 ** 30;

function numbers(array: OracleArray): Float64Array {
  return new Float64Array(Uint8Array.from(Buffer.from(array.float64, 'base64')).buffer);
}

type Plan = Awaited<ReturnType<typeof planBlockProduct>>;

/** The mean over the data of the products with vectors [count, dim]: [count, product's dim]. */
async function multiply(
  { product, tailProduct, dim, productDim }: Plan,
  data: { readonly arrays: ReadonlyMap<string, Tensor>; readonly samples: number },
  vectors: Float64Array,
): Promise<Float64Array> {
  const probe = product.manifest.inputs.find(({ name }) => name === 'kl_probe');
  const [output] = product.manifest.outputs;
  assert.ok(probe !== undefined && output !== undefined);
  const [block = 0] = probe.shape.map(Number);
  const count = vectors.length / dim;
  const products = new Float64Array(count * productDim);
  for (let first = 0; first < count; first += block) {
    const given = new Float64Array(block * dim);
    given.set(vectors.subarray(first * dim, Math.min(count, first + block) * dim));
    const feeds = new Map([[probe.name, tensor.floatTensor(given, [block, dim])]]);
    const sums = new Map<string, Float64Array>();
    const { batch } = product.manifest;
    for (const [program, at] of batches(product, tailProduct, batch, data.samples))
      addTo(sums, await runBatch(program, { ...data, first: at }, feeds));
    const sum = sums.get(output.name) ?? new Float64Array(0);
    const rows = Math.min(block, count - first) * productDim;
    products.set(
      sum.subarray(0, rows).map((value) => value / data.samples),
      first * productDim,
    );
  }
  return products;
}

function assertProducts(got: Float64Array, { probes, frobenius, dimension }: OracleBlock): void {
  const expected = numbers(probes.products);
  const error = Math.hypot(...expected.map((value, i) => value - (got[i] ?? Number.NaN)));
  assert.ok(error <= TOLERANCE * frobenius * Math.sqrt(dimension), `products are off by ${error}`);
}

function assertSpectrum(block: Float64Array, oracle: OracleBlock): void {
  const { dimension, largest, smallest } = oracle;
  const rows = Array.from({ length: dimension }, (_, row) =>
    Array.from({ length: dimension }, (__, column) => {
      const [a, b] = [block[row * dimension + column], block[column * dimension + row]];
      return ((a ?? Number.NaN) + (b ?? Number.NaN)) / 2;
    }),
  );
  const { realEigenvalues } = new EigenvalueDecomposition(new Matrix(rows), {
    assumeSymmetric: true,
  });
  const values = realEigenvalues.sort((a, b) => b - a);
  const scale = Math.max(Math.abs(largest[0] ?? 0), Math.abs(smallest[0] ?? 0));
  largest.forEach((value, i) => {
    const error = Math.abs((values[i] ?? Number.NaN) - value) / scale;
    assert.ok(error <= TOLERANCE, `eigenvalue ${i}: ${values[i]} instead of ${value}`);
  });
  smallest.forEach((value, i) => {
    const error = Math.abs((values.at(-1 - i) ?? Number.NaN) - value) / scale;
    assert.ok(error <= TOLERANCE, `eigenvalue ${-1 - i}: ${values.at(-1 - i)} instead of ${value}`);
  });
}

function identity(dim: number): Float64Array {
  const matrix = new Float64Array(dim * dim);
  for (let i = 0; i < dim; i++) matrix[i * dim + i] = 1;
  return matrix;
}

for (const file of readdirSync(join(FIXTURES, 'hessian')).sort()) {
  const name = file.replace(/\.json$/, '');
  const oracle: Oracle = JSON.parse(readFileSync(join(FIXTURES, 'hessian', file), 'utf8'));
  const source = join(FIXTURES, 'factors', name);
  const data = { arrays: readNpz(join(source, 'data.npz')), samples: oracle.samples };
  const run = { samples: oracle.samples, batch: BATCH, memoryBytes: MEMORY_BYTES };
  const options: FactorOptions = {
    loss: oracle.loss,
    columns: { kind: 'exact' },
    sharing: 'expand',
    bias: 'separate',
    labels: true,
  };

  describe(`second derivatives of ${name}`, () => {
    for (const curvature of ['hessian', 'ggn'] as const)
      it(`${curvature} of every layer`, async () => {
        const model = await openModel(join(source, 'model.onnx'), ortEvaluator);
        for (const layer of model.layers.layers) {
          const own = oracle.blocks.filter(
            (block) => block.name === layer.name && block.curvature === curvature,
          );
          assert.ok(own.length > 0, `no block of ${layer.name}`);
          for (const expected of own) {
            const bias = expected.joint ? 'joint' : 'separate';
            const what = layerProduct(curvature, layer, { ...options, bias });
            const plan = await planBlockProduct(model, what, run, ortEvaluator);
            assert.equal(plan.dim, expected.dimension);
            assertProducts(await multiply(plan, data, numbers(expected.probes.vectors)), expected);
            if (!expected.joint)
              assertSpectrum(await multiply(plan, data, identity(plan.dim)), expected);
          }
        }
      });

    it('blocks between layers', async () => {
      const model = await openModel(join(source, 'model.onnx'), ortEvaluator);
      const [a, b] = model.layers.layers;
      assert.ok(a !== undefined && b !== undefined);
      for (const { curvature, frobenius, ...pair } of oracle.cross) {
        if (pair.a !== a.name || pair.b !== b.name) continue;
        const { from } = layerProduct(curvature, a, options);
        const what = { ...layerProduct(curvature, b, options), from };
        const plan = await planBlockProduct(model, what, run, ortEvaluator);
        assert.deepEqual([plan.dim, plan.productDim], [a.params, b.params]);
        const norm = Math.hypot(...(await multiply(plan, data, identity(plan.dim))));
        const off = Math.abs(norm - frobenius);
        assert.ok(off <= TOLERANCE * frobenius, `${a.name}, ${b.name}: ${norm}`);
      }
    });

    it('blocks of several parameters, and padded batches', async () => {
      const opened = await openModel(join(source, 'model.onnx'), ortEvaluator);
      const layers = opened.layers.layers.map((layer) => layer.name);
      for (const expected of oracle.blocks.filter((block) => !layers.includes(block.name))) {
        const from = (graph: ShapedGraph) => {
          const all = modelParameters(graph, opened.layers.layers, opened.logits.value);
          return expected.parameters.map((wanted) => {
            const found = all.find((parameter) => parameter.name === wanted);
            assert.ok(found !== undefined, `no parameter ${wanted}`);
            return found;
          });
        };
        const { curvature, name: layer } = expected;
        const what = { kind: curvature, options, layer, from, to: from };
        for (const fixedBatch of [undefined, BATCH]) {
          const model = { ...opened, fixedBatch };
          const plan = await planBlockProduct(model, what, run, ortEvaluator);
          assert.equal(plan.tailProduct === undefined, fixedBatch !== undefined);
          assertProducts(await multiply(plan, data, numbers(expected.probes.vectors)), expected);
        }
      }
    });
  });
}
