// Waits for work that cannot be stopped, but no longer than until somebody calls it off.
import { CancelledError } from '@kronlens/proto';

/**
 * Waits for the work unless the signal aborts before. The work itself goes on; its failure is then
 * nobody's.
 * @param what the work in words: "the reading of the data"
 * @throws CancelledError when the signal aborts or has aborted; what the work throws
 */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  what: string,
): Promise<T> {
  if (signal === undefined) return await work;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new CancelledError(what));
    signal.addEventListener('abort', stop, { once: true });
  });
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
