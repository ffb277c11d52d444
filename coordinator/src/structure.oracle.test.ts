// Exact spectra and structure measures of whole analyses against float64 oracles from PyTorch (fixtures/curvature).
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  decodeMatrixFile,
  decodeTable,
  layerFileNames,
  SPECTRA,
  STRUCTURE,
  type StructureRow,
} from '@kronlens/proto';
import type { AnalysisOptions } from './plan/options.js';
import { analyse } from './testing/analyse.js';

type Numbers = readonly (number | null)[];

interface Outliers {
  readonly ratio: number | null;
  readonly position: number | null;
}

interface OracleBlock {
  readonly layer: string;
  readonly curvature: 'ggn' | 'hessian';
  readonly bias: AnalysisOptions['bias'];
  readonly groups: number;
  readonly dimension: number;
  readonly trace: number;
  readonly eigenvalues: readonly number[];
  readonly kroneckerEigenvalues: readonly number[];
  readonly eigenspaceOverlap: Numbers;
  readonly eigenvalueRatio: Numbers;
  readonly matricisedRankRatio: Numbers;
  readonly singularValues: readonly (readonly number[] | null)[];
  readonly outliers: { readonly block: Outliers; readonly output: readonly Outliers[] };
  readonly decouplingError: { readonly spectral: number; readonly frobenius: number };
  /** [group][i][j] */
  readonly correspondence: {
    readonly input: readonly (readonly Numbers[])[];
    readonly output: readonly (readonly Numbers[])[];
  };
}

interface Oracle {
  readonly loss: AnalysisOptions['loss'];
  readonly layers: readonly OracleBlock[];
}

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures');
const EIGENVALUES = 1e-5;
const TRACE = 1e-5;
/** Overlaps, ratios of ranks and correspondences. */
const SHARES = 2e-3;
const SPECTRAL_ERROR = 1e-4;
/** EKFAC's error is the root of a difference of float32 sums: that of a few units in their last place. */
const EKFAC_ROUNDING = 2e-3;
/** Errors below this are rounding: the Kronecker product is the block. */
const EXACT = 1e-5;

function assertNear(what: string, got: number | undefined, expected: number, most: number): void {
  const error = Math.abs((got ?? NaN) - expected);
  assert.ok(error <= most, `${what}: ${got} instead of ${expected}`);
}

function valuesOf(rows: readonly StructureRow[], measure: string): number[] {
  return rows
    .filter((row) => row.measure === measure)
    .sort((a, b) => (a.k ?? 0) - (b.k ?? 0))
    .map(({ value }) => value);
}

function assertOutliers(
  rows: readonly StructureRow[],
  operator: string,
  { position, ratio }: Outliers,
): void {
  const [found = null] = valuesOf(rows, `outlier_position_${operator}`);
  assert.equal(found, position, `position of the outliers of ${operator}`);
  const [of] = valuesOf(rows, `outlier_ratio_${operator}`);
  if (ratio !== null) assertNear(`outlier ratio of ${operator}`, of, ratio, SHARES * ratio);
}

async function assertSingularValues(path: string, expected: OracleBlock['singularValues']) {
  const { values, columns } = decodeMatrixFile(await readFile(path));
  for (const [row, list] of expected.entries()) {
    list?.slice(0, columns).forEach((value, i) => {
      assertNear(`${path} ${row} ${i}`, values[row * columns + i], value, SHARES);
    });
  }
}

async function assertLayer(folder: string, stem: string, oracle: OracleBlock): Promise<void> {
  const { layer, dimension } = oracle;
  const structure = decodeTable(STRUCTURE, await readFile(join(folder, 'structure.arrow')));
  const rows = structure.filter((row) => row.layer === layer);
  const spectra = decodeTable(SPECTRA, await readFile(join(folder, 'spectra.arrow')));
  const [largest = NaN] = oracle.eigenvalues;
  for (const [operator, expected] of [
    ['ggn', oracle.eigenvalues],
    ['kron', oracle.kroneckerEigenvalues],
  ] as const) {
    const got = spectra.filter((row) => row.layer === layer && row.operator === operator);
    assert.ok(got.length >= Math.min(20, dimension), `${layer}: ${got.length} of ${operator}`);
    assert.ok(got.every(({ converged }) => converged));
    for (const { index, eigenvalue } of got.filter((row) => row.index < expected.length))
      assertNear(
        `${layer} ${operator} ${index}`,
        eigenvalue,
        expected[index] ?? NaN,
        EIGENVALUES * largest,
      );
  }
  assertNear(`${layer} trace`, valuesOf(rows, 'trace')[0], oracle.trace, TRACE * oracle.trace);
  const { spectral, frobenius } = oracle.decouplingError;
  const error = (expected: number) => Math.max(EXACT, SPECTRAL_ERROR * expected);
  const found = (measure: string) => valuesOf(rows, measure)[0];
  assertNear(
    `${layer} spectral error`,
    found('decoupling_error_spectral'),
    spectral,
    error(spectral),
  );
  const frobeniusError = found('decoupling_error_frobenius');
  const chance = found('decoupling_error_frobenius_standard_error') ?? 0;
  assertNear(
    `${layer} Frobenius error`,
    frobeniusError,
    frobenius,
    Math.max(error(frobenius), 5 * chance),
  );
  const ekfac = found('decoupling_error_frobenius_ekfac');
  if (frobeniusError !== undefined && ekfac !== undefined)
    assert.ok(
      ekfac <= Math.max(frobeniusError + 5 * chance, EKFAC_ROUNDING),
      `${layer}: EKFAC ${ekfac} above ${frobeniusError}`,
    );
  for (const [measure, expected] of [
    ['eigenspace_overlap', oracle.eigenspaceOverlap],
    ['eigenvalue_ratio', oracle.eigenvalueRatio],
    ['matricised_rank_ratio', oracle.matricisedRankRatio],
  ] as const) {
    const got = valuesOf(rows, measure);
    assert.ok(got.length > 0 || expected[0] === null, `${layer} has no ${measure}`);
    expected.slice(0, got.length).forEach((value, index) => {
      // null: the eigenvalue is too close to its neighbour for the vector to be determined.
      if (value !== null)
        assertNear(
          `${layer} ${measure} ${index + 1}`,
          got[index],
          value,
          SHARES * Math.max(1, value),
        );
    });
  }
  assertOutliers(rows, 'ggn', oracle.outliers.block);
  for (const [group, outliers] of oracle.outliers.output.entries())
    assertOutliers(rows, oracle.groups === 1 ? 'output' : `g${group}.output`, outliers);
  const singular = join(folder, 'correspondence', `${stem}.singular_values.arrow`);
  await assertSingularValues(singular, oracle.singularValues);
  for (const side of ['input', 'output'] as const) {
    for (const [group, lists] of oracle.correspondence[side].entries()) {
      const block = oracle.groups === 1 ? stem : `${stem}.g${group}`;
      const path = join(folder, 'correspondence', `${block}.${side}.arrow`);
      const { values, columns } = decodeMatrixFile(await readFile(path));
      lists.forEach((list, i) => {
        list.forEach((value, j) => {
          if (value !== null && j < columns)
            assertNear(`${block} ${side} ${i} ${j}`, values[i * columns + j], value, SHARES);
        });
      });
    }
  }
}

for (const file of readdirSync(join(FIXTURES, 'curvature')).sort()) {
  const name = file.replace(/\.json$/, '');
  const oracle: Oracle = JSON.parse(readFileSync(join(FIXTURES, 'curvature', file), 'utf8'));
  describe(`structure of ${name}`, () => {
    for (const [dense, bias] of [
      [1024, 'separate'],
      [1024, 'joint'],
      [0, 'separate'],
    ] as const) {
      const blocks = oracle.layers.filter(
        (block) => block.curvature === 'ggn' && block.bias === bias,
      );
      if (blocks.length === 0) continue;
      const how = dense > 0 ? 'formed whole' : 'multiplied by vectors';
      it(`blocks ${how}, ${bias} bias`, async (t) => {
        const { folder } = await analyse(
          t,
          {
            model: join(FIXTURES, 'factors', name, 'model.onnx'),
            data: join(FIXTURES, 'factors', name, 'data.npz'),
          },
          {
            loss: oracle.loss,
            measures: ['eigen', 'curvature', 'structure'],
            top: 20,
            ekfac: true,
            bias,
            dense,
            batch: 16,
          },
        );
        const stems = layerFileNames(blocks.map(({ layer }) => layer));
        for (const block of blocks) await assertLayer(folder, stems.get(block.layer) ?? '', block);
      });
    }
  });
}
