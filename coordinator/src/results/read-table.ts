// Reads the tables of a result folder.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeTable, KronlensError, type TableSchema } from '@kronlens/proto';
import { damagedFile, missingFile } from './damaged.js';

type Row = { readonly [column: string]: string | number | bigint | boolean | null };

/** The bytes of a file; undefined where there is none. */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The rows of `<folder>/<name>.arrow`; undefined where there is no such file.
 * @throws BadInputError when it is damaged
 */
export async function readTableIfThere<R extends Row>(
  folder: string,
  schema: TableSchema<R>,
): Promise<readonly R[] | undefined> {
  const path = join(folder, `${schema.name}.arrow`);
  const bytes = await readIfThere(path);
  if (bytes === undefined) return undefined;
  try {
    return decodeTable(schema, bytes);
  } catch (error) {
    if (error instanceof KronlensError) throw damagedFile(path, error.message, error);
    throw error;
  }
}

/** @throws BadInputError when the file is missing or damaged */
export async function readTable<R extends Row>(
  folder: string,
  schema: TableSchema<R>,
): Promise<readonly R[]> {
  const rows = await readTableIfThere(folder, schema);
  if (rows === undefined)
    throw missingFile(join(folder, `${schema.name}.arrow`), 'the run has written it');
  return rows;
}
