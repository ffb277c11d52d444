// Errors that cross a process: one base class with a stable code, and the general cases.

export interface ErrorFacts {
  readonly retryable?: boolean;
  /** The user's input is at fault: the command line exits with 2. */
  readonly badInput?: boolean;
  readonly details?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error with a stable `code`, whose message is one sentence for the user. */
export class KronlensError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly badInput: boolean;
  readonly details: Readonly<Record<string, string>>;

  constructor(code: string, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = facts.retryable ?? false;
    this.badInput = facts.badInput ?? false;
    this.details = facts.details ?? {};
  }
}

/** A file, option or value that the user gave cannot be used. */
export class BadInputError extends KronlensError {
  constructor(
    code: string,
    message: string,
    details: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(code, message, { badInput: true, details, cause });
  }
}

/** No space is left where a result has to be written. */
export class DiskFullError extends KronlensError {
  constructor(path: string, cause?: unknown) {
    super(
      'disk-full',
      `no space left on the device of '${path}'; free some and run again with --resume`,
      {
        badInput: true,
        details: { path },
        cause,
      },
    );
  }
}

/** The user, or the process that asked, called the work off. */
export class CancelledError extends KronlensError {
  constructor(what: string) {
    super('cancelled', `${what} was cancelled`);
  }
}
