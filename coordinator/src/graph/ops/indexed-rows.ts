// Rows that are picked or overwritten by an index: the two moves behind the gathers and scatters.
import { int, string } from '../attributes.js';
import type { GraphBuilder } from '../builder.js';

/** A value seen as [before, size, after], of which rows along the middle axis are indexed. */
export interface IndexedRows {
  readonly before: number;
  readonly size: number;
  readonly after: number;
  /** The number of indices. */
  readonly count: number;
  readonly dtype: 'float32' | 'float64';
}

/** Zeros that cost nothing in the file. */
export function zeros(
  build: GraphBuilder,
  shape: readonly number[],
  dtype: 'float32' | 'float64',
): string {
  return build.emit('Expand', [build.scalar(0, dtype), build.ints(shape)]);
}

/**
 * Adds each row to the one that its index names, in zeros; rows of equal index are summed.
 * @param values [before, count, after]
 * @param indices [count], int64
 * @returns [before, size, after]
 */
export function scatteredRows(
  build: GraphBuilder,
  values: string,
  indices: string,
  rows: IndexedRows,
): string {
  const { before, size, after, dtype } = rows;
  const into = zeros(build, [before, size, after], dtype);
  const inputs = [into, everywhere(build, indices, rows), values];
  return build.emit('ScatterElements', inputs, { axis: int(1), reduction: string('add') });
}

/** The value with the indexed rows set to 0. @param value [before, size, after] */
export function withoutRows(
  build: GraphBuilder,
  value: string,
  indices: string,
  rows: IndexedRows,
): string {
  const nothing = zeros(build, [rows.before, rows.count, rows.after], rows.dtype);
  const inputs = [value, everywhere(build, indices, rows), nothing];
  return build.emit('ScatterElements', inputs, { axis: int(1) });
}

/** The same index for every element of a row: [count] to [before, count, after]. */
function everywhere(build: GraphBuilder, indices: string, rows: IndexedRows): string {
  const { before, count, after } = rows;
  const column = build.reshape(indices, [1, count, 1]);
  return build.emit('Expand', [column, build.ints([before, count, after])]);
}
