// Turns SIGINT and SIGTERM into a clean end of the running command; a second one ends it at once.
import { CancelledError } from '@kronlens/proto';
import { EXIT } from './exit-code.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** The user ended the command. */
export class InterruptedError extends CancelledError {
  /** @param advice what to do next, for example "run again with --resume" */
  constructor(advice: string | undefined) {
    super('the command');
    this.message = advice === undefined ? 'interrupted' : `interrupted; ${advice}`;
  }
}

/**
 * Runs `work` with a signal that aborts on SIGINT or SIGTERM.
 * @param advice what to do after an interruption, for the message, as things are then
 * @throws InterruptedError when interrupted
 */
export async function interruptible<T>(
  advice: string | undefined | (() => string | undefined),
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(new InterruptedError(typeof advice === 'function' ? advice() : advice));
  };
  for (const name of SIGNALS) process.on(name, interrupt);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt);
  }
}
