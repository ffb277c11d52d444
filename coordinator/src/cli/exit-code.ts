// Turns whatever a command throws into one sentence for the user and an exit code.
import { CancelledError, DiskFullError, isDiskFull, KronlensError } from '@kronlens/proto';
import { CommanderError } from 'commander';
import { UnsupportedOpError } from '../graph/index.js';
import { UsageError } from '../plan/usage-error.js';

export const EXIT = { done: 0, failed: 1, badInput: 2, interrupted: 130 } as const;

export interface Failure {
  /** What stderr shows; undefined where everything has been said. */
  readonly message: string | undefined;
  readonly exitCode: number;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

/** Errors of the file system that the user can do something about, in words. */
const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  EROFS: 'the file system is read-only',
};

function fileProblem(error: unknown): string | undefined {
  const { code, path } = error as NodeJS.ErrnoException;
  const words = FILE_PROBLEMS[code ?? ''];
  return words === undefined || path === undefined ? undefined : `${path}: ${words}`;
}

/** @param error whatever was thrown */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { message: undefined, exitCode: EXIT.done };
    // A command without its subcommand shows its help, which says enough.
    const shown = error.code === 'commander.help';
    const message = error.message
      .replace(/^error: /, '')
      .replace(/\s*\n\s*/g, ' ')
      .replace(/\.?$/, '');
    return { message: shown ? undefined : message, exitCode: EXIT.badInput };
  }
  if (error instanceof CancelledError)
    return { message: error.message, exitCode: EXIT.interrupted };
  if (isDiskFull(error)) {
    const path = (error as NodeJS.ErrnoException).path ?? 'the output folder';
    return { message: new DiskFullError(path).message, exitCode: EXIT.badInput };
  }
  if (error instanceof UsageError || error instanceof UnsupportedOpError)
    return { message: error.message, exitCode: EXIT.badInput };
  if (error instanceof KronlensError)
    return { message: error.message, exitCode: error.badInput ? EXIT.badInput : EXIT.failed };
  const problem = fileProblem(error);
  if (problem !== undefined) return { message: problem, exitCode: EXIT.badInput };
  const text = error instanceof Error ? error.message : String(error);
  return {
    message: `internal error: ${firstLine(text)}; run again with --debug for details`,
    exitCode: EXIT.failed,
  };
}

/** The stack of an error and of its causes, for --debug. */
export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`;
}
