// What is wrong with a result folder or one of its files, in one sentence.
import { BadInputError } from '@kronlens/proto';

/** The folder given is none that a run has written. */
export function notAResultFolder(folder: string, reason: string): BadInputError {
  return new BadInputError(
    'no-result-folder',
    `${folder} is not a result folder: ${reason}; give the --out folder of a finished run`,
  );
}

/** A file that the folder should have cannot be used. */
export function damagedFile(path: string, reason: string, cause?: unknown): BadInputError {
  return new BadInputError(
    'damaged-file',
    `${path} is damaged: ${reason}; make the results again`,
    { path },
    cause,
  );
}

/** A file that the folder should have is not there. */
export function missingFile(path: string, what: string): BadInputError {
  return new BadInputError('missing-file', `${path} is missing: ${what}; make the results again`, {
    path,
  });
}
