// Errors in what the user asked for: an option or an argument, and what it should be.

/** Something about the command is wrong; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'bad-usage';
}
