// The length of a vector.

/** ||v||_2. Four sums go side by side in the processor. */
export function norm(vector: Float64Array): number {
  const whole = vector.length - (vector.length % 4);
  let [p, q, r, s] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    p += (vector[i] as number) ** 2;
    q += (vector[i + 1] as number) ** 2;
    r += (vector[i + 2] as number) ** 2;
    s += (vector[i + 3] as number) ** 2;
  }
  for (let i = whole; i < vector.length; i++) p += (vector[i] as number) ** 2;
  return Math.sqrt(p + q + (r + s));
}
