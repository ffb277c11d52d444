// Rows of one length, kept as panels of columns: many vectors in memory of moderate pieces, ready for BLAS-3.
import { giveFloats, takeFloats } from '../vector/spare-memory.js';

/** Columns of a panel: few enough that several cores have work, and enough that native calls are few. */
const FEWEST_COLUMNS = 4_096;
const MOST_COLUMNS = 32_768;
const PANELS = 4;

/** Columns of the panels of vectors with `dim` entries, the last one's apart. */
export function panelColumns(dim: number): number {
  const columns = 1_024 * Math.ceil(dim / PANELS / 1_024);
  return Math.max(FEWEST_COLUMNS, Math.min(MOST_COLUMNS, columns));
}

interface Panel {
  /** [capacity, width]. */
  readonly values: Float64Array;
  readonly width: number;
  /** The panel's first column. */
  readonly first: number;
}

/**
 * Room for `capacity` vectors of `dim` entries, whatever stands there at first. A block of vectors goes
 * in and out as [count, dim].
 */
export class PanelRows {
  readonly dim: number;
  readonly capacity: number;
  readonly panels: readonly Panel[];

  constructor(capacity: number, dim: number) {
    this.dim = dim;
    this.capacity = capacity;
    const columns = panelColumns(dim);
    this.panels = Array.from({ length: Math.ceil(dim / columns) }, (_, i) => {
      const first = i * columns;
      const width = Math.min(columns, dim - first);
      return { values: takeFloats(capacity * width), width, first };
    });
  }

  /** Gives the memory back; nothing may use the rows any more. */
  release(): void {
    for (const { values } of this.panels) giveFloats(values);
  }

  /** Overwrites the rows from `at` with those of a block [count, dim]. */
  write(at: number, rows: Float64Array): void {
    const count = rows.length / this.dim;
    for (const { values, width, first } of this.panels) {
      for (let row = 0; row < count; row++) {
        const start = row * this.dim + first;
        values.set(rows.subarray(start, start + width), (at + row) * width);
      }
    }
  }

  /** A copy of rows [at, at + count) as a block [count, dim], in `into` where it is given. */
  read(
    at: number,
    count: number,
    into: Float64Array = new Float64Array(count * this.dim),
  ): Float64Array {
    for (const { values, width, first } of this.panels) {
      for (let row = 0; row < count; row++) {
        const start = (at + row) * width;
        into.set(values.subarray(start, start + width), row * this.dim + first);
      }
    }
    return into;
  }

  /** Moves rows [from, from + count) to [to, to + count); the places may overlap. */
  move(from: number, to: number, count: number): void {
    for (const { values, width } of this.panels) {
      values.copyWithin(to * width, from * width, (from + count) * width);
    }
  }

  /** Overwrites the rows from `at` with rows [from, from + count) of another object of this size. */
  copy(at: number, source: PanelRows, from: number, count: number): void {
    this.panels.forEach(({ values, width }, i) => {
      const other = source.panels[i];
      if (other === undefined || other.width !== width) throw new RangeError('sizes differ');
      values.set(other.values.subarray(from * width, (from + count) * width), at * width);
    });
  }
}

/** Consecutive rows of panels, as an operand. */
export interface RowRange {
  readonly of: PanelRows;
  readonly at: number;
  readonly count: number;
}

/** The range's rows of one panel, [count, width], not copied. */
export function panelOf({ of, at, count }: RowRange, panel: number): Float64Array {
  const { values, width } = of.panels[panel] ?? { values: new Float64Array(0), width: 0 };
  return values.subarray(at * width, (at + count) * width);
}
