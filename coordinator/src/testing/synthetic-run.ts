// Writes result folders of analyses with known eigenvalues and random eigenvectors, for tests.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  encodeMatrixFile,
  encodeTable,
  LAYERS,
  layerFileNames,
  SPECTRA,
  type SpectrumRow,
  STRUCTURE,
  type StructureRow,
} from '@kronlens/proto';
import type { Frame } from '../compare/frame.js';
import { matrixFileName, operatorName } from '../merge/factor-files.js';
import { kroneckerSpectrum } from '../merge/kronecker-spectrum.js';
import { randomFrame } from './random-frames.js';

export interface SyntheticLayer {
  readonly layer: string;
  /** Eigenvalues of E[x x^T] and E[M], one list a group, largest first; they give the dimensions. */
  readonly input: readonly (readonly number[])[];
  readonly output: readonly (readonly number[])[];
  /** Eigenvalues of the exact operator; absent: the run has none. */
  readonly ggn?: readonly number[];
  /** Matrices of correspondence/, rows factor eigenvectors, columns exact ones. */
  readonly correspondence?: Readonly<Record<string, Frame>>;
}

export interface SyntheticRun {
  readonly seed: number;
  readonly layers: readonly SyntheticLayer[];
  readonly structure?: readonly StructureRow[];
  /** Replaces or adds entries of run.json. */
  readonly record?: Readonly<Record<string, unknown>>;
}

/** The frame that a synthetic run stores for a factor. */
export function syntheticFrame(seed: number, layer: string, operator: string, n: number): Frame {
  let mixed = seed + 1;
  for (const letter of `${layer}/${operator}`) mixed = (mixed * 31 + letter.charCodeAt(0)) >>> 0;
  return randomFrame(mixed, n, n);
}

const RECORD = {
  format: 1,
  command: 'analyze',
  status: 'finished',
  version: '0.1.0',
  model: { path: 'models/net.onnx', sha256: 'ab' },
  data: [{ name: 'x', path: 'data.npz', sha256: 'cd' }],
  options: { bias: 'separate', curvature: 'ggn', measures: ['factors', 'eigen', 'structure'] },
  outputs: 3,
  resolved: { loss: 'cross-entropy', samples: 100 },
  loss: 0.25,
  accuracy: 0.875,
  normalisations: { input: 'mean over samples' },
  skipped: [],
  warnings: [],
};

async function writeMatrix(path: string, layer: string, what: string, frame: Frame) {
  const { count: rows, dimension: columns, values } = frame;
  const normalisation = 'unit length';
  await writeFile(path, encodeMatrixFile({ layer, what, normalisation, rows, columns, values }));
}

export async function writeSyntheticRun(folder: string, run: SyntheticRun): Promise<void> {
  for (const room of ['eigenvectors', 'correspondence'])
    await mkdir(join(folder, room), { recursive: true });
  const stems = layerFileNames(run.layers.map(({ layer }) => layer));
  const spectra: SpectrumRow[] = [];
  for (const { layer, input, output, ggn, correspondence } of run.layers) {
    const stem = stems.get(layer) ?? layer;
    const groups = input.length;
    const add = (operator: string, eigenvalues: readonly number[], residual: number | null) =>
      spectra.push(
        ...eigenvalues.map((eigenvalue, index) => ({
          layer,
          operator,
          index,
          eigenvalue,
          residual,
          converged: true,
        })),
      );
    for (const [factor, lists] of Object.entries({ input, output })) {
      for (const [group, values] of lists.entries()) {
        const operator = operatorName(groups, group, factor);
        add(operator, values, null);
        const frame = syntheticFrame(run.seed, layer, operator, values.length);
        const path = join(folder, 'eigenvectors', matrixFileName(stem, groups, group, factor));
        await writeMatrix(path, layer, 'eigenvectors', frame);
      }
    }
    const blocks = input.map((values, group) => ({ input: values, output: output[group] ?? [] }));
    add(
      'kron',
      kroneckerSpectrum(blocks, 50).map(({ value }) => value),
      null,
    );
    if (ggn !== undefined) {
      add('ggn', ggn, 1e-9);
      const d = groups * (input[0]?.length ?? 0) * (output[0]?.length ?? 0);
      const { values } = syntheticFrame(run.seed, layer, 'ggn', d);
      const frame = { count: ggn.length, dimension: d, values: values.slice(0, ggn.length * d) };
      await writeMatrix(join(folder, `eigenvectors/${stem}.ggn.arrow`), layer, 'ggn', frame);
    }
    for (const [factor, matrix] of Object.entries(correspondence ?? {}))
      await writeMatrix(
        join(folder, `correspondence/${stem}.${factor}.arrow`),
        layer,
        'Corr',
        matrix,
      );
  }
  const layers = run.layers.map(({ layer, input, output }) => ({
    layer,
    op: input.length > 1 ? 'Conv' : 'Gemm',
    weight: `${layer}.weight`,
    out_dim: output[0]?.length ?? 0,
    in_dim: input[0]?.length ?? 0,
    groups: input.length,
    positions: 1,
    params: input.length * (output[0]?.length ?? 0) * (input[0]?.length ?? 0),
    bias: null,
    piecewise_linear: true,
  }));
  await writeFile(join(folder, 'layers.arrow'), encodeTable(LAYERS, layers));
  await writeFile(join(folder, 'spectra.arrow'), encodeTable(SPECTRA, spectra));
  await writeFile(join(folder, 'structure.arrow'), encodeTable(STRUCTURE, run.structure ?? []));
  await writeFile(join(folder, 'run.json'), JSON.stringify({ ...RECORD, ...run.record }));
}
