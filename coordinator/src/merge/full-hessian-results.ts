// Rows and files of the Hessian of all layers together.

import { join } from 'node:path';
import {
  type BundleTensor,
  encodeMatrixFile,
  type SpectrumRow,
  type StructureRow,
  writeFileAtomic,
} from '@kronlens/proto';
import type { FullSummary } from '../report/summary.js';
import { matrixOf } from './factor-files.js';
import { structureMatrix } from './structure-rows.js';

/** The layer's name in spectra.arrow and structure.arrow that stands for all layers together. */
export const ALL_LAYERS = '*';

/** The exact eigenpairs of the Gauss-Newton matrix of all weights and biases. */
export interface FullExact {
  /** Descending. */
  readonly values: Float64Array;
  readonly residuals?: Float64Array;
  readonly converged?: readonly boolean[];
  /** [pairs, d], one eigenvector a row. */
  readonly vectors: Float64Array;
}

export interface FullResults {
  readonly exact: FullExact;
  /** E[G^T A G]. */
  readonly stacked: BundleTensor;
  readonly bundle: ReadonlyMap<string, BundleTensor>;
  readonly layers: readonly { readonly name: string }[];
}

/** Operators `output`: the stacked output Hessian, `ggn`: the exact one, `approximate`. */
export function fullSpectrumRows({ exact, bundle }: FullResults, top: number): SpectrumRow[] {
  const rows = (operator: string, values: Float64Array, from?: FullExact) =>
    Array.from(
      values,
      (eigenvalue, index): SpectrumRow => ({
        layer: ALL_LAYERS,
        operator,
        index,
        eigenvalue,
        residual: from?.residuals?.[index] ?? null,
        converged: from?.converged?.[index] ?? true,
      }),
    );
  return [
    ...rows('output', structureMatrix(bundle, 'output_values').values),
    ...rows('ggn', exact.values.subarray(0, top), exact),
    ...rows('approximate', structureMatrix(bundle, 'values').values),
  ];
}

/** `eigenspace_overlap` and `eigenvalue_ratio` over k, of the approximation and the exact matrix. */
export function fullStructureRows({ bundle }: FullResults): StructureRow[] {
  const rows = (measure: string, name: string) =>
    Array.from(
      structureMatrix(bundle, name).values,
      (value, index): StructureRow => ({ layer: ALL_LAYERS, measure, k: index + 1, value }),
    );
  return [...rows('eigenspace_overlap', 'overlap'), ...rows('eigenvalue_ratio', 'ratio')];
}

/** For the end of a run. @param outliers rank of the loss's Hessian in the logits */
export function fullSummary({ exact, bundle }: FullResults, outliers: number): FullSummary {
  const [largest = 0] = exact.values;
  const [approximate = 0] = structureMatrix(bundle, 'values').values;
  return {
    weights: exact.values.length === 0 ? 0 : exact.vectors.length / exact.values.length,
    largest,
    ratio: largest > 0 ? approximate / largest : null,
    outliers,
    overlap: structureMatrix(bundle, 'overlap').values[outliers - 1] ?? null,
  };
}

/** A sentence where measures end before the outliers do. */
export function fullNotes({ bundle }: FullResults, outliers: number): readonly string[] {
  const known = bundle.get('overlap')?.values.length ?? 0;
  if (known >= outliers) return [];
  const end = known === 0 ? 'are not defined' : `end at k = ${known}`;
  return [
    `all layers together: overlaps of the approximate full Hessian ${end}, as only so many eigenvalues can be told from zero`,
  ];
}

/** Writes `full/{output,output_eigenvectors,ggn,approximate}.arrow`. @throws DiskFullError */
export async function writeFullFiles(folder: string, results: FullResults): Promise<void> {
  const { exact, stacked, bundle, layers } = results;
  const names = layers.map(({ name }) => name);
  const write = async (
    name: string,
    what: string,
    normalisation: string,
    matrix: { readonly rows: number; readonly columns: number; readonly values: Float64Array },
  ) => {
    const metadata = { layers: JSON.stringify(names) };
    const file = { layer: ALL_LAYERS, what, normalisation, ...matrix, metadata };
    await writeFileAtomic(join(folder, 'full', `${name}.arrow`), encodeMatrixFile(file));
  };
  const unit =
    'unit length; layer after layer, weights row-major [groups, out_dim, in_dim], behind each row its bias where the layer has one';
  await write(
    'output',
    'stacked output Hessian E[G^T A G] of all layers, G the sum of their output gradients over positions',
    'mean over samples',
    matrixOf(stacked),
  );
  await write(
    'output_eigenvectors',
    'eigenvectors of the stacked output Hessian, one a row, largest eigenvalue first',
    'unit length; layer after layer',
    matrixOf(structureMatrix(bundle, 'output_vectors')),
  );
  const count = exact.values.length;
  await write(
    'ggn',
    'eigenvectors of the Gauss-Newton matrix of all weights and biases, one a row, largest eigenvalue first',
    unit,
    { rows: count, columns: count === 0 ? 0 : exact.vectors.length / count, values: exact.vectors },
  );
  await write(
    'approximate',
    'eigenvectors of the approximation concat_p u^(p) (x) E[x~^(p)] after Gram-Schmidt, one a row, largest eigenvalue first',
    unit,
    matrixOf(structureMatrix(bundle, 'vectors')),
  );
}
