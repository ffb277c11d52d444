// Which random numbers are whose: the counters and keys of Philox for a posterior's noise and order.

/** The fourth word of the counter tells the uses of one seed apart; its low 24 bits are free. */
export const STREAMS = {
  step: 0x01000000,
  draw: 0x02000000,
  order: 0x03000000,
  drawSamples: 0x04000000,
} as const;

/** The two words of a key. */
export function seedWords(seed: bigint): readonly [number, number] {
  return [Number(BigInt.asUintN(32, seed)), Number(BigInt.asUintN(32, seed >> 32n))];
}

/**
 * Words 1 to 3 of the counter of a parameter's noise; word 0 counts its places.
 * @param index of the step or draw, below 2^56
 * @param parameter its place among the parameters
 */
export function noiseCounter(
  stream: number,
  index: number,
  parameter: number,
): readonly [number, number, number] {
  return [parameter, index >>> 0, (Math.floor(index / 2 ** 32) | stream) >>> 0];
}
