// Turns to compute: so many tasks at a time, and so much memory; first come, first served.

/** The right to compute. */
export interface Turn {
  /** Gives it back; again does nothing. */
  release(): void;
}

interface Waiting {
  readonly bytes: number;
  grant(): void;
}

export class Turns {
  #slots: number;
  #bytes: number;
  readonly #waiting: Waiting[] = [];

  /**
   * @param slots tasks at a time
   * @param bytes memory of all of them together
   */
  constructor(slots: number, bytes: number) {
    this.#slots = slots;
    this.#bytes = bytes;
  }

  /**
   * Waits for a turn.
   * @param bytes memory that the task needs; more than there is in all never gets one
   * @returns undefined when none came within `mostMs`, or the signal aborted
   */
  async take(bytes: number, mostMs: number, signal: AbortSignal): Promise<Turn | undefined> {
    const isMine = await new Promise<boolean>((resolve) => {
      const leave = (isGranted: boolean) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', refuse);
        if (!isGranted) this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        resolve(isGranted);
      };
      const refuse = () => {
        leave(false);
        this.#grant();
      };
      const waiting: Waiting = { bytes, grant: () => leave(true) };
      const timer = setTimeout(refuse, mostMs);
      signal.addEventListener('abort', refuse, { once: true });
      this.#waiting.push(waiting);
      if (signal.aborted) refuse();
      this.#grant();
    });
    return isMine ? this.#turn(bytes) : undefined;
  }

  #turn(bytes: number): Turn {
    let isReleased = false;
    return {
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#slots += 1;
        this.#bytes += bytes;
        this.#grant();
      },
    };
  }

  #grant(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#slots === 0 || this.#bytes < next.bytes) return;
      this.#slots -= 1;
      this.#bytes -= next.bytes;
      this.#waiting.shift();
      next.grant();
    }
  }
}
