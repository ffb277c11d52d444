// Writes the factors and eigenvectors of a layer as matrix files.
import { join } from 'node:path';
import {
  type BundleTensor,
  encodeMatrixFile,
  type MatrixFile,
  unpackSymmetric,
  writeFileAtomic,
} from '@kronlens/proto';
import { isEmbedding, type Layer } from '../layers/index.js';
import type { FactorOptions } from '../programs/index.js';
import type { Eigenpairs } from './eigenpairs.js';
import type { LayerFactors } from './layer-factors.js';
import { type FactorKind, factorWords } from './normalisation.js';

/** Where a layer's files go and what is said in them. */
export interface LayerFiles {
  readonly folder: string;
  readonly layer: Layer;
  /** The layer's part of file names. */
  readonly stem: string;
  readonly options: FactorOptions;
}

/** `conv1.input.arrow`, or `conv1.g0.input.arrow` for a block of a grouped convolution. */
export function matrixFileName(
  stem: string,
  groups: number,
  group: number,
  operator: string,
): string {
  return `${stem}.${operatorName(groups, group, operator)}.arrow`;
}

/** The operator's name in spectra.arrow and in file names: `input`, or `g0.input`. */
export function operatorName(groups: number, group: number, operator: string): string {
  return groups === 1 ? operator : `g${group}.${operator}`;
}

/** Schema metadata of a layer's files. @param group where the file is of one group */
export function layerFacts({ layer, options }: LayerFiles, group?: number): Record<string, string> {
  return {
    op: layer.op,
    positions: String(layer.positions),
    sharing: isEmbedding(layer) ? 'expand' : options.optimal === true ? 'kfoc' : options.sharing,
    bias: options.bias,
    ...(layer.groups === 1 ? {} : { groups: String(layer.groups) }),
    ...(layer.groups === 1 || group === undefined ? {} : { group: String(group) }),
  };
}

function words({ layer, options }: LayerFiles, kind: FactorKind) {
  if (isEmbedding(layer)) {
    const expand = { ...options, sharing: 'expand', optimal: false } as const;
    const normal = factorWords(kind, expand, layer.positions, false);
    return kind === 'input' ? { ...normal, what: `diagonal of the ${normal.what}` } : normal;
  }
  const joint = options.bias === 'joint' && layer.bias !== undefined;
  return factorWords(kind, options, layer.positions, joint);
}

/** Writes a matrix file of the layer. @throws DiskFullError */
export async function writeMatrix(
  files: LayerFiles,
  subfolder: string,
  name: string,
  matrix: MatrixFile,
): Promise<void> {
  await writeFileAtomic(join(files.folder, subfolder, name), encodeMatrixFile(matrix));
}

/** A tensor as a matrix: symmetric ones in full, a vector as one row. */
export function matrixOf(tensor: BundleTensor) {
  const [rows = 1, columns] = tensor.shape;
  if (columns === undefined) return { rows: 1, columns: rows, values: tensor.values };
  const values = tensor.symmetric ? unpackSymmetric(tensor.values, rows) : tensor.values;
  return { rows, columns, values };
}

/** Writes `factors/<layer>.{input,output,mean}.arrow`, one set a group. @throws DiskFullError */
export async function writeFactorFiles(files: LayerFiles, factors: LayerFactors): Promise<void> {
  const { layer, stem } = files;
  for (const [group, blocks] of factors.groups.entries()) {
    for (const kind of ['input', 'output', 'mean'] as const) {
      await writeMatrix(files, 'factors', matrixFileName(stem, layer.groups, group, kind), {
        layer: layer.name,
        ...words(files, kind),
        ...matrixOf(blocks[kind]),
        metadata: {
          ...layerFacts(files, group),
          ...(isEmbedding(layer) && kind === 'input' ? { form: 'diagonal' } : {}),
        },
      });
    }
  }
}

/** Writes `eigenvectors/<layer>.<operator>.arrow`, one row an eigenvector. @throws DiskFullError */
export async function writeEigenvectors(
  files: LayerFiles,
  group: number,
  operator: 'input' | 'output',
  { values, vectors }: Eigenpairs,
): Promise<void> {
  const { layer, stem } = files;
  const { what, normalisation } = words(files, operator);
  await writeMatrix(files, 'eigenvectors', matrixFileName(stem, layer.groups, group, operator), {
    layer: layer.name,
    what: `eigenvectors of the ${what}, one a row, largest eigenvalue first`,
    normalisation: `unit length; the component of largest magnitude is positive; the matrix: ${normalisation}`,
    rows: values.length,
    columns: values.length,
    values: vectors,
    metadata: layerFacts(files, group),
  });
}

/** Writes `eigenvectors/<layer>.<operator>.arrow` of the exact block, one row an eigenvector. */
export async function writeExactEigenvectors(
  files: LayerFiles,
  operator: string,
  count: number,
  vectors: Float64Array,
): Promise<void> {
  const { layer, stem } = files;
  await writeMatrix(files, 'eigenvectors', `${stem}.${operator}.arrow`, {
    layer: layer.name,
    what: `eigenvectors of the layer's exact block (${operator}), one a row, largest eigenvalue first`,
    normalisation:
      'unit length; the component of largest magnitude is positive; weights row-major [groups, out_dim, in_dim]; the block: mean over samples',
    rows: count,
    columns: count === 0 ? 0 : vectors.length / count,
    values: vectors,
    metadata: layerFacts(files),
  });
}
