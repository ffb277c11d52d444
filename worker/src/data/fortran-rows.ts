// Gathers rows of an array in Fortran order, where each value of a row lies in another column.
import { type ArrayLayout, elementBytes, rowLength } from './array-layout.js';
import { readInto } from './byte-source.js';

/** Few reads of each column, little memory. */
const BLOCK_BYTES = 16 * 2 ** 20;

/**
 * The column in which each value of a row lies: rows list their values last index fastest, columns
 * are numbered second index fastest.
 */
function columnsOf(shape: readonly number[]): Uint32Array {
  const sizes = shape.slice(1);
  const columns = new Uint32Array(rowLength(shape));
  const index = sizes.map(() => 0);
  for (let place = 0; place < columns.length; place++) {
    let column = 0;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      column = column * (sizes[axis] ?? 1) + (index[axis] ?? 0);
    }
    columns[place] = column;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] ?? 0) + 1;
      if ((index[axis] ?? 0) < (sizes[axis] ?? 1)) break;
      index[axis] = 0;
    }
  }
  return columns;
}

type Words = Uint8Array | Uint16Array | Uint32Array;

/** Typed memory in which one element takes `stride` words. */
function wordsOf(
  bytes: Uint8Array,
  size: number,
): { readonly words: Words; readonly stride: number } {
  const { buffer, byteOffset, byteLength } = bytes;
  if (size === 1) return { words: bytes, stride: 1 };
  if (size === 2) return { words: new Uint16Array(buffer, byteOffset, byteLength / 2), stride: 1 };
  return { words: new Uint32Array(buffer, byteOffset, byteLength / 4), stride: size / 4 };
}

/**
 * Reads rows as they would be stored in C order. A block of rows is read at a time, a range of each
 * column, and kept for the next call: batches follow each other.
 */
export class FortranRows {
  readonly #layout: ArrayLayout;
  readonly #elementBytes: number;
  readonly #columns: Uint32Array;
  readonly #rowsInBlock: number;
  #block = new Uint8Array(0);
  #first = 0;
  #rows = 0;

  /**
   * @param layout of order 'fortran'
   * @param blockBytes rows of so many bytes are read at a time, at least one
   */
  constructor(layout: ArrayLayout, blockBytes = BLOCK_BYTES) {
    this.#layout = layout;
    this.#elementBytes = elementBytes(layout.type);
    this.#columns = columnsOf(layout.shape);
    const rowBytes = this.#columns.length * this.#elementBytes;
    this.#rowsInBlock = Math.max(1, Math.floor(blockBytes / rowBytes));
  }

  /**
   * Reads rows [first, first + count), values in the file's byte order.
   * @param into memory for exactly these rows, aligned to the elements' size
   * @throws DataError when the file ends before
   */
  async read(first: number, count: number, into: Uint8Array): Promise<void> {
    const rowBytes = into.byteLength / count;
    for (let done = 0; done < count; ) {
      const row = first + done;
      if (row < this.#first || row >= this.#first + this.#rows) await this.#load(row);
      const rows = Math.min(count - done, this.#first + this.#rows - row);
      this.#gather(row - this.#first, rows, into.subarray(done * rowBytes));
      done += rows;
    }
  }

  async #load(first: number): Promise<void> {
    const { shape, source, segments } = this.#layout;
    const samples = shape[0] ?? 0;
    const rows = Math.min(this.#rowsInBlock, samples - first);
    const size = this.#elementBytes;
    const columns = this.#columns.length;
    this.#rows = 0;
    if (this.#block.byteLength < rows * columns * size) {
      this.#block = new Uint8Array(rows * columns * size);
    }
    const start = segments[0]?.position ?? 0;
    for (let column = 0; column < columns; column++) {
      const range = this.#block.subarray(column * rows * size, (column + 1) * rows * size);
      await readInto(source, start + (column * samples + first) * size, range);
    }
    this.#first = first;
    this.#rows = rows;
  }

  #gather(row: number, rows: number, into: Uint8Array): void {
    const from = wordsOf(this.#block, this.#elementBytes);
    const to = wordsOf(into, this.#elementBytes);
    const { stride } = from;
    const length = this.#columns.length;
    for (let place = 0; place < length; place++) {
      const column = this.#columns[place] ?? 0;
      let source = (column * this.#rows + row) * stride;
      for (let r = 0; r < rows; r++) {
        const target = (r * length + place) * stride;
        for (let word = 0; word < stride; word++) {
          to.words[target + word] = from.words[source] ?? 0;
          source += 1;
        }
      }
    }
  }
}
