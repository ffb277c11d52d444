// Reads the FlatBuffers encoding that Arrow's metadata use, never past its end.

/** Thrown for offsets that lead outside; callers name the file. */
export class MalformedFlatBuffer extends Error {}

/** Larger ones are read as negative by implementations that take the size for signed. */
const LARGEST_VTABLE = 0x7fff;
/** More columns or children than any data have. */
const MOST_TABLES = 100_000;

/**
 * One table. Fields are asked for by their index in the schema; an absent field has the default
 * value that FlatBuffers gives it (zero, or undefined for tables, strings and vectors).
 */
export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #vtable: number;
  readonly #fields: number;

  private constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    this.#vtable = at - this.#int32(at);
    const size = this.#uint16(this.#vtable);
    if (size < 4 || size > LARGEST_VTABLE) throw new MalformedFlatBuffer('vtable');
    this.#fields = (size - 4) >> 1;
  }

  /** The root table. @throws MalformedFlatBuffer */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.byteLength < 8) throw new MalformedFlatBuffer('too short');
    return new FlatTable(view, view.getUint32(0, true));
  }

  #check(at: number, bytes: number): number {
    if (at < 0 || at + bytes > this.#view.byteLength) throw new MalformedFlatBuffer('offset');
    return at;
  }
  #uint16(at: number): number {
    return this.#view.getUint16(this.#check(at, 2), true);
  }
  #int32(at: number): number {
    return this.#view.getInt32(this.#check(at, 4), true);
  }
  #uint32(at: number): number {
    return this.#view.getUint32(this.#check(at, 4), true);
  }
  #int64(at: number): number {
    return Number(this.#view.getBigInt64(this.#check(at, 8), true));
  }

  /** Where the field's value lies, undefined when absent. */
  #place(field: number): number | undefined {
    if (field >= this.#fields) return undefined;
    const offset = this.#uint16(this.#vtable + 4 + 2 * field);
    return offset === 0 ? undefined : this.#at + offset;
  }
  #target(field: number): number | undefined {
    const place = this.#place(field);
    return place === undefined ? undefined : place + this.#uint32(place);
  }

  byte(field: number): number {
    const place = this.#place(field);
    return place === undefined ? 0 : this.#view.getUint8(this.#check(place, 1));
  }
  int16(field: number): number {
    const place = this.#place(field);
    return place === undefined ? 0 : this.#view.getInt16(this.#check(place, 2), true);
  }
  int32(field: number): number {
    const place = this.#place(field);
    return place === undefined ? 0 : this.#int32(place);
  }
  int64(field: number): number {
    const place = this.#place(field);
    return place === undefined ? 0 : this.#int64(place);
  }
  table(field: number): FlatTable | undefined {
    const target = this.#target(field);
    return target === undefined ? undefined : new FlatTable(this.#view, target);
  }
  string(field: number): string {
    const target = this.#target(field);
    if (target === undefined) return '';
    const length = this.#uint32(target);
    this.#check(target + 4, length);
    return new TextDecoder().decode(
      new Uint8Array(this.#view.buffer, this.#view.byteOffset + target + 4, length),
    );
  }

  /** Length of a vector field whose elements take `bytes` each. @throws MalformedFlatBuffer */
  length(field: number, bytes: number): number {
    const target = this.#target(field);
    if (target === undefined) return 0;
    const length = this.#uint32(target);
    this.#check(target + 4, length * bytes);
    return length;
  }
  /** The tables of a vector field. */
  tables(field: number): FlatTable[] {
    const target = this.#target(field);
    if (target === undefined) return [];
    const length = this.length(field, 4);
    if (length > MOST_TABLES) throw new MalformedFlatBuffer('too many tables');
    return Array.from({ length }, (_, i) => {
      const at = target + 4 + 4 * i;
      return new FlatTable(this.#view, at + this.#uint32(at));
    });
  }
  /** An int64 within structs of `bytes` each: that at `offset` in element `i` of a vector field. */
  structInt64(field: number, bytes: number, i: number, offset: number): number {
    const target = this.#target(field);
    if (target === undefined) throw new MalformedFlatBuffer('absent vector');
    return this.#int64(target + 4 + i * bytes + offset);
  }
  /** An int32 within structs, as above. */
  structInt32(field: number, bytes: number, i: number, offset: number): number {
    const target = this.#target(field);
    if (target === undefined) throw new MalformedFlatBuffer('absent vector');
    return this.#int32(target + 4 + i * bytes + offset);
  }
}
