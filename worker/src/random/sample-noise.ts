// Random inputs of programs: a function of seed, sample, draw and place, whatever the batch.
import { philox4x32 } from './philox.js';

/** Tells the streams of uniforms and normals apart. */
const NORMAL_STREAM = 0x80000000;

/**
 * Uniforms and standard normals for samples of a data set. The counter's words are: block of four
 * places, draw, the sample's index (low, high word); the key is the seed. So a value depends on
 * (seed, sample, draw, place) alone, and neither batches nor shards nor their order change it.
 */
export class SampleNoise {
  readonly #key: Uint32Array;
  readonly #counter = new Uint32Array(4);
  readonly #words = new Uint32Array(4);

  /** @param seed an unsigned 64-bit integer */
  constructor(seed: bigint) {
    this.#key = Uint32Array.of(
      Number(BigInt.asUintN(32, seed)),
      Number(BigInt.asUintN(32, seed >> 32n)),
    );
  }

  #draw(sample: number, draw: number, block: number, stream: number): Uint32Array {
    this.#counter[0] = block;
    this.#counter[1] = draw;
    this.#counter[2] = sample >>> 0;
    this.#counter[3] = (Math.floor(sample / 2 ** 32) | stream) >>> 0;
    philox4x32(this.#counter, this.#key, this.#words);
    return this.#words;
  }

  /**
   * Uniforms in [0, 1), multiples of 2^-24, so that float32 holds them exactly and none becomes 1.
   * @param sample index of the sample in the data set
   * @param draw index of the draw for this sample
   * @param into receives the values of places 0, 1, ...
   */
  uniforms(sample: number, draw: number, into: Float32Array): void {
    for (let place = 0; place < into.length; place += 4) {
      const words = this.#draw(sample, draw, place >> 2, 0);
      const end = Math.min(4, into.length - place);
      for (let i = 0; i < end; i++) into[place + i] = ((words[i] ?? 0) >>> 8) * 2 ** -24;
    }
  }

  /**
   * Standard normals (Box and Muller's transform in float64, rounded to float32).
   * @param sample index of the sample in the data set
   * @param draw index of the draw for this sample
   * @param into receives the values of places 0, 1, ...
   */
  normals(sample: number, draw: number, into: Float32Array): void {
    for (let place = 0; place < into.length; place += 4) {
      const words = this.#draw(sample, draw, place >> 2, NORMAL_STREAM);
      for (let i = 0; i < 4 && place + i < into.length; i += 2) {
        const radius = Math.sqrt(-2 * Math.log(((words[i] ?? 0) + 1) * 2 ** -32));
        const angle = 2 * Math.PI * ((words[i + 1] ?? 0) * 2 ** -32);
        into[place + i] = radius * Math.cos(angle);
        if (place + i + 1 < into.length) into[place + i + 1] = radius * Math.sin(angle);
      }
    }
  }
}
