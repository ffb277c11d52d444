// Reads from a result folder what the comparison of one layer needs: leading eigenvectors only.
import type { LayerRow } from '@kronlens/proto';
import { operatorName } from '../merge/factor-files.js';
import { kroneckerSpectrum } from '../merge/kronecker-spectrum.js';
import {
  type AnalysisResults,
  damagedFile,
  layerSpectra,
  missingFile,
  numericalRank,
  readMatrix,
  type StoredMatrix,
} from '../results/index.js';
import type { Frame } from './frame.js';
import type { KroneckerFrame } from './kronecker-frame.js';
import type { PredictionBlock } from './prediction.js';

/** One block (group) of a layer of one run. */
export interface StoredBlock extends PredictionBlock {
  readonly inputFrame: Frame;
  readonly outputFrame: Frame;
}

/** What one run stores of one layer. */
export interface StoredLayer {
  readonly run: AnalysisResults;
  readonly blocks: readonly StoredBlock[];
  /** The top Kronecker eigenvectors, as many as are told from 0 but no more than asked for. */
  readonly kronecker: KroneckerFrame;
}

/** Square of a unit vector's length may be off by this. */
const LENGTH_TOLERANCE = 1e-6;

/** The first `count` rows, checked to be of unit length. @throws BadInputError */
export function leadingRows(matrix: StoredMatrix, count: number): Frame {
  const { rows, columns: dimension, values, path } = matrix;
  if (count > rows) throw damagedFile(path, `it has ${rows} eigenvectors, ${count} are needed`);
  for (let row = 0; row < count; row++) {
    let square = 0;
    for (let at = row * dimension; at < (row + 1) * dimension; at++)
      square += (values[at] as number) ** 2;
    if (Math.abs(square - 1) > LENGTH_TOLERANCE)
      throw damagedFile(path, `the eigenvector in row ${row} is not of unit length`);
  }
  return { count, dimension, values: values.slice(0, count * dimension) };
}

async function eigenvectors(
  { folder }: AnalysisResults,
  layer: string,
  operator: string,
): Promise<StoredMatrix> {
  const matrix = await readMatrix(folder, 'eigenvectors', layer, operator);
  if (matrix === undefined)
    throw missingFile(
      `${folder}/eigenvectors: the file of '${operator}' of layer '${layer}'`,
      'comparing needs the eigenvectors that --measure eigen writes',
    );
  return matrix;
}

/**
 * @param top eigenvectors wanted of each operator
 * @throws BadInputError when a file is missing or damaged, or eigenvectors and eigenvalues do not fit
 */
export async function readStoredLayer(
  run: AnalysisResults,
  { layer, groups }: LayerRow,
  top: number,
): Promise<StoredLayer> {
  const spectra = layerSpectra(run.spectra, layer);
  const eigenvalues = (group: number, factor: 'input' | 'output') =>
    spectra.get(operatorName(groups, group, factor))?.eigenvalues ?? [];
  const all = Array.from({ length: groups }, (_, group) => ({
    input: eigenvalues(group, 'input'),
    output: eigenvalues(group, 'output'),
  }));
  const largest = kroneckerSpectrum(all, top);
  // A product is known as well as its two factors are.
  const ranks = all.map(({ input, output }) => [numericalRank(input), numericalRank(output)]);
  const unknown = largest.findIndex(({ group, inputIndex, outputIndex }) => {
    const [inputRank = 0, outputRank = 0] = ranks[group] ?? [];
    return inputIndex >= inputRank || outputIndex >= outputRank;
  });
  const vectors = unknown < 0 ? largest : largest.slice(0, unknown);
  const blocks: StoredBlock[] = [];
  for (const [group, values] of all.entries()) {
    const frame = async (factor: 'input' | 'output') => {
      const matrix = await eigenvectors(run, layer, operatorName(groups, group, factor));
      const expected = values[factor].length;
      if (matrix.rows !== expected || matrix.columns !== expected)
        throw damagedFile(
          matrix.path,
          `it is ${matrix.rows}x${matrix.columns}, but spectra.arrow has ${expected} eigenvalues`,
        );
      const index = factor === 'input' ? 'inputIndex' : 'outputIndex';
      const used = vectors
        .filter((vector) => vector.group === group)
        .map((each) => each[index] + 1);
      return leadingRows(matrix, Math.min(expected, Math.max(top, ...used)));
    };
    const [inputFrame, outputFrame] = [await frame('input'), await frame('output')];
    const topInput = inputFrame.values.subarray(0, inputFrame.dimension);
    blocks.push({ ...values, inputFrame, outputFrame, topInput });
  }
  const kronecker = {
    blocks: blocks.map(({ inputFrame, outputFrame }) => ({
      input: inputFrame,
      output: outputFrame,
    })),
    vectors,
  };
  return { run, blocks, kronecker };
}

/**
 * Eigenvectors of an operator on the whole weight, for example `ggn`.
 * @returns undefined where the run has not stored any
 * @throws BadInputError when the file is damaged
 */
export async function readExactFrame(
  run: AnalysisResults,
  layer: string,
  operator: string,
  count: number,
): Promise<Frame | undefined> {
  const matrix = await readMatrix(run.folder, 'eigenvectors', layer, operator);
  return matrix && leadingRows(matrix, count);
}
