// The sign of eigenvectors and singular vectors, which is otherwise arbitrary.

/**
 * 1 when the component of largest magnitude, the first of several, is positive, else -1.
 * @returns undefined when there is none: a component is not finite, or all are 0
 */
function signOf(values: Float64Array): 1 | -1 | undefined {
  let largest = 0;
  let sign: 1 | -1 = 1;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const magnitude = Math.abs(value);
    if (!(magnitude < Number.POSITIVE_INFINITY)) return undefined;
    if (magnitude > largest) {
      largest = magnitude;
      sign = value > 0 ? 1 : -1;
    }
  }
  return largest > 0 ? sign : undefined;
}

/** Changes the sign of all values in place; zeros stay positive. */
function negate(values: Float64Array): void {
  for (let i = 0; i < values.length; i++) values[i] = 0 - (values[i] as number);
}

/**
 * Turns a vector around, in place, so that its component of largest magnitude (the first of
 * several) is positive. A vector and its opposite give the same bytes.
 * @returns whether the vector was turned; undefined when it is no vector: not finite, or zero
 */
export function fixSign(vector: Float64Array): boolean | undefined {
  const sign = signOf(vector);
  if (sign === -1) negate(vector);
  else for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) + 0;
  return sign === undefined ? undefined : sign === -1;
}
