// Progress of a run: a live bar on a terminal, plain lines elsewhere, always to stderr.
import type { ProgressSink } from '../plan/progress-sink.js';
import { formatCount, formatDuration } from '../report/number-format.js';

export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface ProgressOptions {
  readonly stream: ProgressStream;
  /** Milliseconds on any fixed origin. */
  readonly now?: () => number;
  /** Least time between two redraws of the bar. */
  readonly redrawMs?: number;
  /** Least time between two plain lines of one stage. */
  readonly lineMs?: number;
}

interface Stage {
  readonly name: string;
  readonly total: number;
  readonly unit: string;
  readonly startMs: number;
  done: number;
  detail: string;
  shownMs: number;
}

const CLEAR = '\r\x1b[2K';
const BAR = 24;
const SHORT_BAR = 6;

/**
 * The text of a bar: name, bar, count, rate, the time left, and how it goes.
 * @param width characters that there is room for: where how it goes does not fit, the bar gets shorter,
 *   and then rate and time are left out
 */
export function progressText(
  stage: Omit<Stage, 'shownMs'>,
  nowMs: number,
  width = Number.POSITIVE_INFINITY,
): string {
  const whole = textWith(stage, nowMs, BAR, true);
  if (stage.detail === '' || whole.length <= width) return whole;
  const shorter = textWith(stage, nowMs, SHORT_BAR, true);
  return shorter.length <= width ? shorter : textWith(stage, nowMs, SHORT_BAR, false);
}

function textWith(
  { name, total, unit, startMs, done, detail }: Omit<Stage, 'shownMs'>,
  nowMs: number,
  size: number,
  withPace: boolean,
): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(share * size);
  const bar = `${'#'.repeat(filled)}${'.'.repeat(size - filled)}`;
  const rate = (1000 * done) / Math.max(1, nowMs - startMs);
  const pace =
    withPace && done > 0 && done < total
      ? `  ${formatCount(Number(rate.toPrecision(3)))}/s  ${formatDuration((1000 * (total - done)) / rate)} left`
      : '';
  const count = `${formatCount(done)}/${formatCount(total)}`;
  const about = detail === '' ? '' : `  ${detail}`;
  return `${name.padEnd(8)} [${bar}] ${count} ${unit}${pace}${about}`;
}

/** Shows stages one after the other. */
export class ProgressDisplay implements ProgressSink {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  readonly #redrawMs: number;
  readonly #lineMs: number;
  #stage: Stage | undefined;

  constructor(options: ProgressOptions) {
    this.#stream = options.stream;
    this.#now = options.now ?? (() => performance.now());
    this.#redrawMs = options.redrawMs ?? 100;
    this.#lineMs = options.lineMs ?? 10_000;
  }

  begin(stage: string, total: number, unit: string): void {
    this.end();
    const startMs = this.#now();
    this.#stage = { name: stage, total, unit, startMs, done: 0, detail: '', shownMs: startMs };
    if (this.#stream.isTTY) this.#draw(this.#stage, startMs);
  }

  update(done: number): void {
    const stage = this.#stage;
    if (stage === undefined) return;
    stage.done = Math.max(stage.done, Math.min(done, stage.total));
    const nowMs = this.#now();
    if (nowMs - stage.shownMs < (this.#stream.isTTY ? this.#redrawMs : this.#lineMs)) return;
    stage.shownMs = nowMs;
    if (this.#stream.isTTY) this.#draw(stage, nowMs);
    else this.#stream.write(`${progressText(stage, nowMs)}\n`);
  }

  detail(text: string): void {
    if (this.#stage !== undefined) this.#stage.detail = text;
  }

  end(): void {
    const stage = this.#stage;
    if (stage === undefined) return;
    this.#stage = undefined;
    const elapsed = formatDuration(this.#now() - stage.startMs);
    const count = `${formatCount(stage.done)}${stage.done < stage.total ? ` of ${formatCount(stage.total)}` : ''}`;
    const about = stage.detail === '' ? '' : `  ${stage.detail}`;
    this.#stream.write(
      `${this.#stream.isTTY ? CLEAR : ''}${stage.name.padEnd(8)} ${count} ${stage.unit} in ${elapsed}${about}\n`,
    );
  }

  note(line: string): void {
    this.#stream.write(`${this.#stream.isTTY ? CLEAR : ''}${line}\n`);
    if (this.#stage !== undefined && this.#stream.isTTY) this.#draw(this.#stage, this.#now());
  }

  #draw(stage: Stage, nowMs: number): void {
    const width = Math.max(20, (this.#stream.columns ?? 80) - 1);
    this.#stream.write(CLEAR + progressText(stage, nowMs, width).slice(0, width));
  }
}
