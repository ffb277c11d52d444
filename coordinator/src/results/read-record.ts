// Reads the run.json of a result folder and refuses what is not a finished run of the wanted kind.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BadInputError } from '@kronlens/proto';
import { RECORD_FILE, RECORD_FORMAT } from '../plan/run-record.js';
import { damagedFile, notAResultFolder } from './damaged.js';
import { JsonFieldError, JsonFields } from './json-fields.js';

/** The command that made a result folder. */
export type RecordKind = 'analyze' | 'compare' | 'bound';

async function readText(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined) throw notAResultFolder(folder, 'there is no such folder');
  if (!found.isDirectory()) throw notAResultFolder(folder, 'it is a file');
  try {
    return await readFile(join(folder, RECORD_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw notAResultFolder(folder, `it has no ${RECORD_FILE}`);
  }
}

function requireFinished(folder: string, fields: JsonFields, kind: RecordKind): void {
  const status = fields.string('status');
  if (status === 'finished') return;
  const remedy = kind === 'compare' ? '' : ` with kronlens ${kind} --resume`;
  const state = status === 'failed' ? 'its run failed' : 'its run is still going on or was stopped';
  throw new BadInputError(
    'not-finished',
    `${folder} is not finished: ${state}; finish it first${remedy}`,
  );
}

/**
 * @param parse takes what is needed out of the record
 * @returns the kind of the folder's run and what `parse` made of it
 * @throws BadInputError when the folder holds no run, or one that is not finished or not of this version
 */
export async function readFinishedRecord<T>(
  folder: string,
  parse: (fields: JsonFields, kind: RecordKind) => T,
): Promise<T> {
  const text = await readText(folder);
  const path = join(folder, RECORD_FILE);
  try {
    const fields = new JsonFields(JSON.parse(text));
    if (fields.number('format') !== RECORD_FORMAT)
      throw new BadInputError(
        'other-format',
        `${path} has format ${fields.number('format')}, this version reads ${RECORD_FORMAT}; use the version that made it`,
      );
    // The first records had no command: they were all of analyses.
    const command = fields.stringOr('command', 'analyze');
    if (command !== 'analyze' && command !== 'compare' && command !== 'bound')
      throw notAResultFolder(folder, `it was made by kronlens ${command}`);
    requireFinished(folder, fields, command);
    return parse(fields, command);
  } catch (error) {
    if (error instanceof JsonFieldError) throw damagedFile(path, error.message, error);
    if (error instanceof SyntaxError) throw damagedFile(path, 'it is no JSON', error);
    throw error;
  }
}

/** The kind of run that a folder holds. @throws BadInputError as readFinishedRecord */
export function kindOfResults(folder: string): Promise<RecordKind> {
  return readFinishedRecord(folder, (_, kind) => kind);
}
