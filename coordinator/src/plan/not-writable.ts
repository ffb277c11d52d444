// What it means for the user that a result folder cannot be written to.
import { BadInputError, DiskFullError, isDiskFull } from '@kronlens/proto';

/** The error to throw when creating something in the folder failed. */
export function notWritable(folder: string, cause: unknown): unknown {
  if (isDiskFull(cause)) return new DiskFullError(folder, cause);
  const { code } = cause as NodeJS.ErrnoException;
  if (code !== 'EACCES' && code !== 'EROFS' && code !== 'EPERM') return cause;
  return new BadInputError('not-writable', `--out ${folder} cannot be written to`, {}, cause);
}
