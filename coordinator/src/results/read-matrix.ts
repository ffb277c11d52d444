// Finds and reads the matrix files of a layer: factors, eigenvectors, correspondences.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeMatrixFile, KronlensError, layerFileNames, type MatrixFile } from '@kronlens/proto';
import { damagedFile } from './damaged.js';
import { readIfThere } from './read-table.js';

export type MatrixRoom = 'factors' | 'eigenvectors' | 'correspondence' | 'posterior';

/** A matrix together with the file that it came from, for messages. */
export interface StoredMatrix extends MatrixFile {
  readonly path: string;
}

async function listing(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

/**
 * Names of the files that may hold a layer's matrix: its stem, with `~2`, `~3`, ... where another
 * layer's name makes the same stem. The file itself says which layer it is of.
 */
export function candidateFiles(
  names: readonly string[],
  layer: string,
  operator: string,
): readonly string[] {
  const stem = layerFileNames([layer]).get(layer) ?? layer;
  const ending = `.${operator}.arrow`;
  return names
    .filter((name) => {
      if (!name.endsWith(ending)) return false;
      const found = name.slice(0, -ending.length);
      return found.startsWith(stem) && /^(~\d+)?$/.test(found.slice(stem.length));
    })
    .sort();
}

/**
 * The matrix `<room>/<layer>.<operator>.arrow`, for example of the operator `input` or `g0.input`.
 * @param prefix of the file's name, which the layer's name in the file does not have
 * @returns undefined where there is none
 * @throws BadInputError when the file is damaged or holds NaN or infinity
 */
export async function readMatrix(
  folder: string,
  room: MatrixRoom,
  layer: string,
  operator: string,
  prefix = '',
): Promise<StoredMatrix | undefined> {
  const names = await listing(join(folder, room));
  for (const name of candidateFiles(names, `${prefix}${layer}`, operator)) {
    const path = join(folder, room, name);
    const bytes = await readIfThere(path);
    if (bytes === undefined) continue;
    const matrix = decode(path, bytes);
    if (matrix.layer === layer) return { ...matrix, path };
  }
  return undefined;
}

function decode(path: string, bytes: Uint8Array): MatrixFile {
  let matrix: MatrixFile;
  try {
    matrix = decodeMatrixFile(bytes);
  } catch (error) {
    if (error instanceof KronlensError) throw damagedFile(path, error.message, error);
    throw error;
  }
  const at = matrix.values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0)
    throw damagedFile(
      path,
      `row ${Math.floor(at / matrix.columns)}, column ${at % matrix.columns} is ${matrix.values[at]}`,
    );
  return matrix;
}
