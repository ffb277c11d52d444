// Reads rows of an array by range, as the typed values that a program's input takes.
import { ElementType } from '@kronlens/proto';
import { type ArrayLayout, elementBytes, rowLength, type Segment } from './array-layout.js';
import { readInto } from './byte-source.js';
import { allocate, Converter, swapBytes, type UnfitValue, type Values, view } from './convert.js';
import { DataError } from './data-error.js';
import { FortranRows } from './fortran-rows.js';

const LITTLE_ENDIAN_MACHINE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function segmentOf(segments: readonly Segment[], row: number): number {
  let low = 0;
  let high = segments.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((segments[middle]?.firstRow ?? 0) <= row) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Reads one array's rows, converted to one type. Scratch memory is kept from call to call. */
export class RowReader {
  readonly layout: ArrayLayout;
  readonly type: ElementType;
  /** Values in one row. */
  readonly rowLength: number;
  readonly #converter: Converter;
  readonly #elementBytes: number;
  readonly #fortran: FortranRows | undefined;
  #scratch = new ArrayBuffer(0);

  /**
   * @param layout where the rows lie
   * @param type what the values are converted to: any but float16
   * @param scale values are multiplied by it in float64 before they are rounded to `type`
   */
  constructor(layout: ArrayLayout, type: ElementType, scale = 1) {
    this.layout = layout;
    this.type = type;
    this.rowLength = rowLength(layout.shape);
    this.#converter = new Converter(layout.type, type, scale);
    this.#elementBytes = elementBytes(layout.type);
    this.#fortran = layout.order === 'fortran' ? new FortranRows(layout) : undefined;
  }

  /** Memory for so many rows. */
  allocate(rows: number): Values {
    return allocate(this.type, rows * this.rowLength);
  }

  /**
   * Reads rows [first, first + count) to the start of `into`.
   * @param into from `allocate`, for at least `count` rows
   * @throws DataError for rows that are not there, NaN, infinity, and values that `type` cannot hold
   */
  async read(first: number, count: number, into: Values): Promise<void> {
    const samples = this.layout.shape[0] ?? 0;
    if (first < 0 || first + count > samples) {
      throw new DataError(
        this.layout.source.path,
        `samples ${first} to ${first + count - 1} are asked for, it has ${samples}`,
      );
    }
    const { segments } = this.layout;
    let row = first;
    for (let s = segmentOf(segments, first); row < first + count; s++) {
      const segment = segments[s];
      if (segment === undefined) throw new Error('segments do not cover the array');
      const rows = Math.min(first + count, segment.firstRow + segment.rows) - row;
      const start = (row - first) * this.rowLength;
      const wanted = into.subarray(start, start + rows * this.rowLength);
      const unfit = await this.#readSegment(segment, row - segment.firstRow, wanted);
      if (unfit !== undefined) throw this.#refusal(unfit, row);
      row += rows;
    }
  }

  async #readSegment(
    segment: Segment,
    rowInSegment: number,
    wanted: Values,
  ): Promise<UnfitValue | undefined> {
    const { layout } = this;
    const from = rowInSegment * this.rowLength;
    if (layout.packing === 'bits') {
      const firstByte = from >> 3;
      const bytes = this.#scratchBytes(((from + wanted.length + 7) >> 3) - firstByte);
      await readInto(layout.source, segment.position + firstByte, bytes);
      const values = new Uint8Array(wanted.length);
      for (let i = 0; i < values.length; i++) {
        const bit = (from & 7) + i;
        values[i] = ((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1;
      }
      return this.#converter.convert(values, wanted);
    }
    const byteLength = wanted.length * this.#elementBytes;
    const direct = this.#converter.isCopy;
    const bytes = direct
      ? new Uint8Array(wanted.buffer, wanted.byteOffset, byteLength)
      : this.#scratchBytes(byteLength);
    if (this.#fortran === undefined) {
      await readInto(layout.source, segment.position + from * this.#elementBytes, bytes);
    } else {
      await this.#fortran.read(rowInSegment, wanted.length / this.rowLength, bytes);
    }
    if ((layout.byteOrder === 'little') !== LITTLE_ENDIAN_MACHINE) {
      swapBytes(bytes, this.#elementBytes);
    }
    const stored = direct ? wanted : view(layout.type, this.#scratch, 0, wanted.length);
    return this.#converter.convert(stored, wanted);
  }

  #scratchBytes(byteLength: number): Uint8Array {
    if (this.#scratch.byteLength < byteLength) this.#scratch = new ArrayBuffer(byteLength);
    return new Uint8Array(this.#scratch, 0, byteLength);
  }

  #refusal(unfit: UnfitValue, firstRow: number): DataError {
    const sample = firstRow + Math.floor(unfit.index / this.rowLength);
    const { member, source } = this.layout;
    const name = ElementType[this.type].toLowerCase();
    const what = {
      nan: 'is NaN',
      infinite: 'is infinite',
      overflow: `${unfit.value} is too large for ${name}`,
      fraction: `${unfit.value} is not an integer, as ${name} needs`,
      range: `${unfit.value} is out of the range of ${name}`,
    }[unfit.why];
    return new DataError(
      source.path,
      `${member === '' ? '' : `in '${member}', `}a value of sample ${sample} ${what}`,
      { sample: String(sample), array: member },
    );
  }
}
