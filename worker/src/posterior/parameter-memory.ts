// The arrays of all parameters in one memory, where the vector loops work on them and ONNX Runtime reads them.
import { ElementType, InputRole, KronlensError } from '@kronlens/proto';
import type ort from 'onnxruntime-node';
import { runtimeTensor } from '../session/tensor-types.js';
import {
  BLOCK,
  type Kernels,
  kernelsOn,
  SUM_BYTES,
  type VectorMemory,
  vectorMemory,
} from './kernels.js';

/** What is kept of every parameter, float32. */
export const ARRAYS = [
  'mean',
  'logStd',
  'meanSquare',
  'logStdSquare',
  'prior',
  'noise',
  'drawn',
  'gradient',
  'noiseGradient',
] as const;
export type ArrayName = (typeof ARRAYS)[number];

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
  readonly #memory: VectorMemory;
  readonly #addresses: ReadonlyMap<ArrayName, number>;

  constructor(facts: ParameterFacts, memory: VectorMemory, first: number, stride: number) {
    this.facts = facts;
    this.length = facts.shape.reduce((product, size) => product * size, 1);
    this.#memory = memory;
    this.#addresses = new Map(ARRAYS.map((name, index) => [name, first + index * stride]));
  }

  address(name: ArrayName): number {
    const own = name === 'noiseGradient' && !this.facts.rotated ? 'gradient' : name;
    return this.#addresses.get(own) ?? 0;
  }

  /** The values, in the memory itself. */
  values(name: ArrayName): Float32Array {
    return new Float32Array(this.#memory.buffer, this.address(name), this.length);
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

/** Factors of an update: see `updateLoop` in kernels.ts. */
export interface UpdateFactors {
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
  addNoise(
    parameter: ParameterArrays,
    counter: readonly [number, number, number],
    key: readonly [number, number],
  ): NoiseSums {
    const run = parameter.facts.rotated ? this.kernels.noise : this.kernels.draw;
    run(
      parameter.address('mean'),
      parameter.address('logStd'),
      parameter.address('prior'),
      parameter.address('noise'),
      parameter.address('drawn'),
      0,
      parameter.length,
      ...counter,
      ...key,
    );
    const sums = new Float64Array(this.#memory.buffer, 0, SUM_BYTES / 8);
    const pair = (at: number) => (sums[at] as number) + (sums[at + 1] as number);
    return { variance: pair(0), distance: pair(2), logStd: pair(4) };
  }

  /** A step of the mean and the log standard deviations of one parameter. */
  update(parameter: ParameterArrays, factors: UpdateFactors): void {
    this.kernels.update(
      parameter.address('mean'),
      parameter.address('logStd'),
      parameter.address('meanSquare'),
      parameter.address('logStdSquare'),
      parameter.address('prior'),
      parameter.address('noise'),
      parameter.address('gradient'),
      parameter.address('noiseGradient'),
      parameter.length,
      factors.scale,
      factors.pull,
      factors.push,
      factors.alpha,
      factors.rest,
      factors.rate,
      factors.epsilon,
    );
  }
}

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
