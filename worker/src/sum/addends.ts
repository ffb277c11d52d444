// What sums are formed of: vectors, and the upper triangles of symmetric matrices as programs give them.

type Floats = Float32Array | Float64Array;

/**
 * Values in whatever memory they come. Both methods read them once, and answer with 0 when all are
 * finite, else with NaN: 0 * value is NaN for infinite values and NaN only, and needs no branch.
 */
export interface Addend {
  readonly length: number;
  copyTo(into: Float64Array): number;
  addTo(into: Float64Array): number;
}

/** The values as they are. */
export function vector(values: Floats): Addend {
  return {
    length: values.length,
    copyTo: (into) => {
      into.set(values);
      return checkRow(into, 0, values.length);
    },
    addTo: (into) => addRow(into, 0, values, 0, values.length),
  };
}

/** The upper triangle, row by row, of a full row-major [n, n] matrix; below it may stand anything. */
export function upperTriangle(full: Floats, n: number): Addend {
  return {
    length: (n * (n + 1)) / 2,
    copyTo: (into) => {
      let at = 0;
      for (let row = 0; row < n; row++) {
        into.set(full.subarray(row * n + row, (row + 1) * n), at);
        at += n - row;
      }
      return checkRow(into, 0, at);
    },
    addTo: (into) => {
      let at = 0;
      let check = 0;
      for (let row = 0; row < n; row++) {
        check += addRow(into, at, full, row * n + row, n - row);
        at += n - row;
      }
      return check;
    },
  };
}

/** Adds `length` values. Four at a time, for sums that go side by side in the processor. */
function addRow(into: Float64Array, at: number, values: Floats, from: number, length: number) {
  const whole = length - (length % 4);
  let [p, q, r, s] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    const a = values[from + i] as number;
    const b = values[from + i + 1] as number;
    const c = values[from + i + 2] as number;
    const d = values[from + i + 3] as number;
    into[at + i] = (into[at + i] as number) + a;
    into[at + i + 1] = (into[at + i + 1] as number) + b;
    into[at + i + 2] = (into[at + i + 2] as number) + c;
    into[at + i + 3] = (into[at + i + 3] as number) + d;
    p += 0 * a;
    q += 0 * b;
    r += 0 * c;
    s += 0 * d;
  }
  for (let i = whole; i < length; i++) {
    const value = values[from + i] as number;
    into[at + i] = (into[at + i] as number) + value;
    p += 0 * value;
  }
  return p + q + r + s;
}

/** Multiplies all values. @returns 0 when the products are finite, else NaN */
export function scaleAll(values: Float64Array, factor: number): number {
  const whole = values.length - (values.length % 4);
  let [p, q, r, s] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    const a = (values[i] as number) * factor;
    const b = (values[i + 1] as number) * factor;
    const c = (values[i + 2] as number) * factor;
    const d = (values[i + 3] as number) * factor;
    values[i] = a;
    values[i + 1] = b;
    values[i + 2] = c;
    values[i + 3] = d;
    p += 0 * a;
    q += 0 * b;
    r += 0 * c;
    s += 0 * d;
  }
  for (let i = whole; i < values.length; i++) {
    const value = (values[i] as number) * factor;
    values[i] = value;
    p += 0 * value;
  }
  return p + q + r + s;
}

/** 0 when values [from, from + length) are finite, else NaN. */
export function checkRow(values: Floats, from: number, length: number): number {
  const whole = length - (length % 4);
  let [p, q, r, s] = [0, 0, 0, 0];
  for (let i = from; i < from + whole; i += 4) {
    p += 0 * (values[i] as number);
    q += 0 * (values[i + 1] as number);
    r += 0 * (values[i + 2] as number);
    s += 0 * (values[i + 3] as number);
  }
  for (let i = from + whole; i < from + length; i++) p += 0 * (values[i] as number);
  return p + q + r + s;
}
