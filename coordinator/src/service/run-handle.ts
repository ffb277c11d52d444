// A coordinator's hold on the process of one run.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RUN_EXIT, type RunMessage, type StartMessage } from './run-messages.js';

const ENTRY = fileURLToPath(new URL('./run-process.js', import.meta.url));

export interface RunEnd {
  /** The process ended without having said how the run did. */
  readonly crashed: boolean;
  /** For people: exit code or signal, and the last words. */
  readonly words: string;
}

export class RunHandle {
  readonly run: string;
  /** Resolves when the process is gone. */
  readonly ended: Promise<RunEnd>;
  readonly #child: ChildProcess;
  #window = '';

  constructor(start: Omit<StartMessage, 'kind'>) {
    this.run = start.run;
    this.#child = fork(ENTRY, [], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    // A channel that breaks shows in the end of the process.
    this.#child.on('error', () => {});
    this.ended = this.#end();
    this.#send({ kind: 'start', ...start });
  }

  async #end(): Promise<RunEnd> {
    let words = '';
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-2000);
    });
    const [code, signal] = (await once(this.#child, 'close')) as [number | null, string | null];
    const known: readonly (number | null)[] = Object.values(RUN_EXIT);
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    const said = words.trim().split('\n')[0] ?? '';
    return { crashed: !known.includes(code), words: said === '' ? how : `${how}: ${said}` };
  }

  /** @param untilNs see LeaseMessage */
  extendLease(untilNs: bigint): void {
    this.#send({ kind: 'lease', untilNs: String(untilNs) });
  }

  /** See `fairShare`. */
  setWindow(share: number, most: number): void {
    const window = `${share} ${most}`;
    if (window === this.#window) return;
    this.#window = window;
    this.#send({ kind: 'window', share, most });
  }

  /** The run is to end for good. */
  cancel(): void {
    this.#send({ kind: 'cancel' });
  }

  /** The process is to end in good order; another coordinator goes on with the run. */
  stop(): void {
    this.#send({ kind: 'stop' });
  }

  /** Ends the process at once. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #send(message: RunMessage): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }
}
