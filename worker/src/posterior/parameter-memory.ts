// The arrays of all parameters in one memory, where the vector loops work on them and ONNX Runtime reads them.
import { ElementType, InputRole, KronlensError } from '@kronlens/proto';
import type ort from 'onnxruntime-node';
import { runtimeTensor } from '../session/tensor-types.js';
import { type Kernels, kernelsOn, type VectorMemory, vectorMemory } from './kernels.js';
import { ARRAYS, type ArrayName, BLOCK, SUM_BYTES } from './step-loops.js';

export interface ParameterFacts {
  readonly name: string;
  readonly shape: readonly number[];
  /** Its noise is given in a basis, and so is the gradient with respect to it. */
  readonly rotated: boolean;
}

const FLOAT_BYTES = 4;
const LARGEST_BYTES = 2 ** 32 - 65536;

/** One parameter's arrays. */
export class ParameterArrays {
  readonly facts: ParameterFacts;
  readonly length: number;
  /** Bytes where the first array begins, and between the beginnings of two. */
  readonly first: number;
  readonly stride: number;
  readonly #memory: VectorMemory;

  constructor(facts: ParameterFacts, memory: VectorMemory, first: number, stride: number) {
    this.facts = facts;
    this.length = facts.shape.reduce((product, size) => product * size, 1);
    this.first = first;
    this.stride = stride;
    this.#memory = memory;
  }

  /** The values, in the memory itself. */
  values(name: ArrayName): Float32Array {
    const address = this.first + ARRAYS.indexOf(name) * this.stride;
    return new Float32Array(this.#memory.buffer, address, this.length);
  }

  /** What an input of that role takes: the mean where noise is fed beside it, else the drawn parameter. */
  input(role: InputRole): ort.Tensor {
    if (role === InputRole.NOISE) return this.tensor('noise');
    return this.tensor(this.facts.rotated ? 'mean' : 'drawn');
  }

  /** A tensor of ONNX Runtime over the values. */
  tensor(name: ArrayName): ort.Tensor {
    return runtimeTensor(ElementType.FLOAT32, this.values(name), this.facts.shape);
  }
}

/** Factors of a step: see `loop` in step-loops.ts. */
export interface StepFactors {
  readonly scale: number;
  readonly pull: number;
  readonly push: number;
  readonly alpha: number;
  readonly rest: number;
  readonly rate: number;
  readonly epsilon: number;
}

/** Sums over some parameters. */
export interface NoiseSums {
  readonly variance: number;
  readonly distance: number;
  readonly logStd: number;
}

/** All parameters. */
export class ParameterMemory {
  readonly parameters: readonly ParameterArrays[];
  /** d, the number of values. */
  readonly dimension: number;
  readonly kernels: Kernels;
  readonly #memory: VectorMemory;

  /** @throws KronlensError when the arrays do not fit into memory */
  constructor(facts: readonly ParameterFacts[]) {
    const strides = facts.map(({ shape }) => {
      const length = shape.reduce((product, size) => product * size, 1);
      return Math.ceil(length / BLOCK) * BLOCK * FLOAT_BYTES;
    });
    const bytes = SUM_BYTES + ARRAYS.length * strides.reduce((sum, stride) => sum + stride, 0);
    this.#memory = allocate(bytes + BLOCK * FLOAT_BYTES);
    this.kernels = kernelsOn(this.#memory);
    let first = BLOCK * FLOAT_BYTES;
    this.parameters = facts.map((each, index) => {
      const stride = strides[index] ?? 0;
      const arrays = new ParameterArrays(each, this.#memory, first, stride);
      first += ARRAYS.length * stride;
      return arrays;
    });
    this.dimension = this.parameters.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * New noise of one parameter; where it is not rotated the drawn parameter, too.
   * @param counter words 1 to 3 of Philox's counter
   * @returns the sums over its values
   */
  addNoise(parameter: ParameterArrays, counter: Words, key: Key): NoiseSums {
    const run = parameter.facts.rotated ? this.kernels.noise : this.kernels.draw;
    run(parameter.first, parameter.stride, 0, parameter.length, ...counter, ...key);
    return this.#sums();
  }

  /**
   * A step of the mean and the log standard deviations of one parameter, then the noise of the next.
   * @returns the sums over the new values
   */
  step(
    parameter: ParameterArrays,
    counter: Words,
    key: Key,
    { scale, pull, push, alpha, rest, rate, epsilon }: StepFactors,
  ): NoiseSums {
    const run = parameter.facts.rotated ? this.kernels.step : this.kernels.stepAndDraw;
    const { first, stride, length } = parameter;
    const factors = [scale, pull, push, alpha, rest, rate, epsilon] as const;
    run(first, stride, 0, length, ...counter, ...key, ...factors);
    return this.#sums();
  }

  #sums(): NoiseSums {
    const sums = new Float64Array(this.#memory.buffer, 0, SUM_BYTES / 8);
    const pair = (at: number) => (sums[at] as number) + (sums[at + 1] as number);
    return { variance: pair(0), distance: pair(2), logStd: pair(4) };
  }
}

type Words = readonly [number, number, number];
type Key = readonly [number, number];

function allocate(bytes: number): VectorMemory {
  try {
    if (bytes > LARGEST_BYTES) throw new RangeError(`${bytes} bytes are more than 4 GiB`);
    return vectorMemory(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KronlensError(
      'out-of-memory',
      `the parameters of this model and what is kept of each take ${Math.ceil(bytes / 2 ** 20)} MiB, which cannot be had (${reason})`,
      { cause },
    );
  }
}
