// Turns SIGINT and SIGTERM into a clean end of the running command; a second one ends it at once.
import { CancelledError } from '@kronlens/proto';
import { EXIT } from './exit-code.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs `work` with a signal that aborts on SIGINT or SIGTERM.
 * @param what the sentence's beginning and what to do next, for the message
 * @throws CancelledError when interrupted
 */
export async function interruptible<T>(
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(new CancelledError(what));
  };
  for (const name of SIGNALS) process.on(name, interrupt);
  try {
    const result = await work(controller.signal);
    return result;
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt);
  }
}
