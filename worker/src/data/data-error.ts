// Errors about data files: what is wrong, in which file, and where it can be said which sample.
import { KronlensError } from '@kronlens/proto';

/** Something is wrong with a data file: bad input, not to be retried. */
export class DataError extends KronlensError {
  readonly path: string;

  /**
   * @param path the file
   * @param what the rest of the sentence, e.g. "it is truncated: ..."
   * @param details further facts, e.g. the first bad sample
   */
  constructor(
    path: string,
    what: string,
    details: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super('bad-data', `${path}: ${what}`, { badInput: true, details: { path, ...details }, cause });
    this.path = path;
  }
}

/** An array that holds something else than numbers, so that it may be passed over among others. */
export class UnreadableArray extends DataError {}
