// The oracles of fixtures/measures, and the models and data that they belong to.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeTable, STRUCTURE, type StructureRow } from '@kronlens/proto';
import type { AnalysisOptions } from '../plan/options.js';

export interface HeuristicOracle {
  readonly layer: string;
  readonly heuristicOverlap: number;
  readonly surrogateOverlap: number;
  readonly surrogateError: number;
}

export interface ClassMeansOracle {
  readonly layer: string;
  readonly counts: readonly number[];
  readonly gammaShare: number;
  readonly deltaShare: number;
  readonly deltaShareJoint: number;
  /** [classes that occur][c][groups * m] */
  readonly gamma: readonly (readonly (readonly number[])[])[];
  /** Squares, [classes that occur][c]. */
  readonly deltaNorms: readonly (readonly number[])[];
}

export interface FullHessianOracle {
  readonly dimension: number;
  readonly outputDimension: number;
  readonly eigenvalues: readonly number[];
  readonly outputEigenvalues: readonly number[];
  readonly approximateEigenvalues: readonly number[];
  readonly overlap: readonly (number | null)[];
}

export interface MeasureFixture {
  readonly name: string;
  readonly model: string;
  readonly data: string;
  readonly oracle: {
    readonly samples: number;
    readonly loss: AnalysisOptions['loss'];
    readonly heuristics?: readonly HeuristicOracle[];
    readonly classMeans?: readonly ClassMeansOracle[];
    readonly fullHessian: FullHessianOracle;
  };
}

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'fixtures');

/** All of them, or those of the given names. */
export function measureFixtures(...names: readonly string[]): readonly MeasureFixture[] {
  const folder = join(FIXTURES, 'measures');
  const found = readdirSync(folder)
    .sort()
    .map((file) => file.replace(/\.json$/, ''))
    .filter((name) => names.length === 0 || names.includes(name));
  return found.map((name) => ({
    name,
    model: join(FIXTURES, 'factors', name, 'model.onnx'),
    data: join(FIXTURES, 'factors', name, 'data.npz'),
    oracle: JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')),
  }));
}

export async function structureOf(folder: string): Promise<readonly StructureRow[]> {
  return decodeTable(STRUCTURE, await readFile(join(folder, 'structure.arrow')));
}

/** The measure's values, by k. */
export function measured(
  rows: readonly StructureRow[],
  layer: string,
  measure: string,
): readonly number[] {
  return rows
    .filter((row) => row.layer === layer && row.measure === measure)
    .sort((a, b) => (a.k ?? 0) - (b.k ?? 0))
    .map(({ value }) => value);
}

export function assertNear(
  what: string,
  found: number | undefined,
  expected: number,
  tolerance: number,
): void {
  const error = Math.abs((found ?? Number.NaN) - expected);
  assert.ok(error <= tolerance, `${what}: ${found} instead of ${expected}`);
}
