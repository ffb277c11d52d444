// Factors, means and eigenvalues of whole analyses against float64 oracles from PyTorch (fixtures/factors).
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeMatrixFile, decodeTable, LAYERS, layerFileNames, SPECTRA } from '@kronlens/proto';
import type { AnalysisOptions } from './plan/options.js';
import { analyse } from './testing/analyse.js';

interface OracleArray {
  readonly shape: readonly number[];
  readonly float64: string;
}

interface OracleFactor {
  readonly layer: string;
  readonly group: number;
  readonly input?: OracleArray;
  readonly output?: OracleArray;
  readonly mean?: OracleArray;
  readonly inputEigenvalues?: OracleArray;
  readonly outputEigenvalues?: OracleArray;
}

interface Oracle {
  readonly samples: number;
  readonly loss: AnalysisOptions['loss'];
  readonly models: readonly {
    readonly file: string;
    /** Layers whose weight the exporter has computed with, so that the file has the result alone. */
    readonly absent?: readonly string[];
  }[];
  readonly lossMean: number;
  readonly accuracy: number | null;
  /** Of models with logits for every token. */
  readonly countedTokens?: number | null;
  readonly layers: readonly {
    readonly name: string;
    readonly outDim: number;
    readonly inDim: number;
    readonly groups: number;
    readonly positions: number;
    readonly piecewiseLinear: boolean;
  }[];
  readonly variants: readonly {
    readonly sharing: AnalysisOptions['sharing'];
    readonly bias: AnalysisOptions['bias'];
    readonly curvature: AnalysisOptions['curvature'];
    readonly tokenLoss?: AnalysisOptions['tokenLoss'];
    /** false: the analysis gets none. */
    readonly labels?: boolean;
    readonly factors: readonly OracleFactor[];
  }[];
  readonly exactBlocks?: readonly { readonly layer: string; readonly hessian: OracleArray }[];
}

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'factors');
/** Of factors in the Frobenius norm, of eigenvalues relative to the largest. */
const TOLERANCE = 1e-5;

function numbers(array: OracleArray): Float64Array {
  return new Float64Array(Uint8Array.from(Buffer.from(array.float64, 'base64')).buffer);
}

function norm(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

function assertClose(what: string, got: Float64Array, expected: Float64Array): void {
  assert.equal(got.length, expected.length, `${what}: number of values`);
  const error = norm(got.map((value, index) => value - (expected[index] ?? NaN)));
  const relative = error / norm(expected);
  assert.ok(relative <= TOLERANCE, `${what}: relative error ${relative}`);
}

function assertEigenvalues(what: string, got: readonly number[], expected: Float64Array): void {
  assert.equal(got.length, expected.length, `${what}: number of eigenvalues`);
  const largest = Math.abs(expected[0] ?? NaN);
  got.forEach((value, index) => {
    const error = Math.abs(value - (expected[index] ?? NaN)) / largest;
    assert.ok(error <= TOLERANCE, `${what}, eigenvalue ${index}: relative error ${error}`);
  });
}

/** File stem of a block: `conv` or, of several groups, `conv.g0`. */
function blockName(stem: string, groups: number, group: number): string {
  return groups === 1 ? stem : `${stem}.g${group}`;
}

async function assertFolder(
  folder: string,
  layers: Oracle['layers'],
  factors: readonly OracleFactor[],
): Promise<void> {
  const rows = decodeTable(LAYERS, await readFile(join(folder, 'layers.arrow')));
  assert.deepEqual(
    rows.map((row) => [
      row.layer,
      row.out_dim,
      row.in_dim,
      row.groups,
      row.positions,
      row.piecewise_linear,
    ]),
    layers.map((layer) => [
      layer.name,
      layer.outDim,
      layer.inDim,
      layer.groups,
      layer.positions,
      layer.piecewiseLinear,
    ]),
  );
  const stems = layerFileNames(rows.map(({ layer }) => layer));
  const spectra = decodeTable(SPECTRA, await readFile(join(folder, 'spectra.arrow')));
  for (const factor of factors) {
    const { groups } = rows.find(({ layer }) => layer === factor.layer) ?? { groups: 1 };
    const block = blockName(stems.get(factor.layer) ?? '', groups, factor.group);
    for (const kind of ['input', 'output', 'mean'] as const) {
      const expected = factor[kind];
      if (expected === undefined) continue;
      const file = decodeMatrixFile(
        await readFile(join(folder, 'factors', `${block}.${kind}.arrow`)),
      );
      assertClose(`${block} ${kind}`, file.values, numbers(expected));
    }
    for (const kind of ['input', 'output'] as const) {
      const expected = factor[`${kind}Eigenvalues`];
      if (expected === undefined) continue;
      const operator = groups === 1 ? kind : `g${factor.group}.${kind}`;
      const got = spectra
        .filter((row) => row.operator === operator && row.layer === factor.layer)
        .sort((a, b) => a.index - b.index)
        .map(({ eigenvalue }) => eigenvalue);
      assertEigenvalues(`${block} ${kind}`, got, numbers(expected));
    }
  }
}

for (const name of readdirSync(FIXTURES).sort()) {
  const folder = join(FIXTURES, name);
  const oracle: Oracle = JSON.parse(readFileSync(join(folder, 'oracle.json'), 'utf8'));
  describe(`factors of ${name}`, () => {
    oracle.models.forEach(({ file, absent = [] }, model) => {
      const layers = oracle.layers.filter((layer) => !absent.includes(layer.name));
      oracle.variants.forEach((variant, index) => {
        if (model > 0 && index > 0) return;
        const { sharing, bias, curvature, tokenLoss = 'mean', labels = true } = variant;
        const tokens = tokenLoss === 'mean' ? '' : `, ${tokenLoss} over tokens`;
        const title = `${sharing}, ${bias} bias, ${curvature}${tokens}`;
        it(`${file}: ${title}${labels ? '' : ', without labels'}`, async (t) => {
          const data = join(folder, labels ? 'data.npz' : 'inputs.npz');
          const outcome = await analyse(
            t,
            { model: join(folder, file), data },
            {
              loss: oracle.loss,
              sharing,
              bias,
              curvature,
              tokenLoss,
              batch: file === 'model.onnx' ? 16 : undefined,
            },
          );
          const factors = variant.factors.filter(({ layer }) => !absent.includes(layer));
          await assertFolder(outcome.folder, layers, factors);
          const { loss, accuracy, countedTokens } = outcome.record;
          if (!labels) {
            assert.deepEqual([loss, accuracy, countedTokens], [null, null, undefined]);
            return;
          }
          assert.equal(countedTokens ?? null, oracle.countedTokens ?? null);
          assert.equal(accuracy, oracle.accuracy);
          // The stored loss is the one of the first variant.
          if (tokenLoss !== 'mean') return;
          assert.ok(
            Math.abs((loss ?? NaN) - oracle.lossMean) <= 1e-6 * Math.max(1, oracle.lossMean),
          );
        });
      });
    });
    for (const { layer, hessian } of oracle.exactBlocks ?? []) {
      it(`one sample: the Kronecker product is the exact block of ${layer}`, async (t) => {
        const { folder: out } = await analyse(
          t,
          { model: join(folder, 'model.onnx'), data: join(folder, 'data.npz') },
          { loss: oracle.loss, measures: ['factors'] },
        );
        const read = async (kind: string) =>
          decodeMatrixFile(await readFile(join(out, 'factors', `${layer}.${kind}.arrow`)));
        const [input, output] = [await read('input'), await read('output')];
        const [m, n] = [output.rows, input.rows];
        const product = new Float64Array((m * n) ** 2);
        for (let row = 0; row < m * n; row++)
          for (let column = 0; column < m * n; column++)
            product[row * m * n + column] =
              (output.values[Math.floor(row / n) * m + Math.floor(column / n)] ?? NaN) *
              (input.values[(row % n) * n + (column % n)] ?? NaN);
        assertClose(`${layer} block`, product, numbers(hessian));
      });
    }
  });
}
