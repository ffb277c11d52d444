// IEEE 754 half precision.

/** The value of a half-precision number given by its 16 bits. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const table = new Float64Array(65536);
let filled = false;

/** The values of all half-precision numbers, by their bits. */
export function halfTable(): Float64Array {
  if (!filled) {
    for (let bits = 0; bits < 65536; bits++) table[bits] = halfToNumber(bits);
    filled = true;
  }
  return table;
}
