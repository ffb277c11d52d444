// The compiled vector loops on a memory that ONNX Runtime reads, too.
import { encodeModule } from '../vector/assembler.js';
import { stepLoops } from './step-loops.js';

/**
 * Addresses are bytes in the memory, multiples of 16. `first` is that of the first of a parameter's
 * arrays, `stride` the distance between two of them.
 */
type NoisePlaces = readonly [
  first: number,
  stride: number,
  sums: number,
  count: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
];

type StepFactors = readonly [
  scale: number,
  pull: number,
  push: number,
  alpha: number,
  rest: number,
  rate: number,
  epsilon: number,
];

/** See `loop` in step-loops.ts. */
export interface Kernels {
  /** Noise alone, in a basis. */
  readonly noise: (...places: NoisePlaces) => void;
  /** Noise and drawn parameters. */
  readonly draw: (...places: NoisePlaces) => void;
  /** The same after a step of RMSprop. */
  readonly step: (...places: [...NoisePlaces, ...StepFactors]) => void;
  readonly stepAndDraw: (...places: [...NoisePlaces, ...StepFactors]) => void;
}

/** What Node.js has of the WebAssembly interface, as far as it is used here. */
interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly host: { readonly memory: VectorMemory } },
  ) => { readonly exports: unknown };
  readonly Memory: new (size: { readonly initial: number }) => VectorMemory;
}

export interface VectorMemory {
  readonly buffer: ArrayBuffer;
}

const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyInterface };
const PAGE_BYTES = 65536;

/** Memory of a fixed size, zeros. @throws RangeError when there is not so much, or more than 4 GiB are asked for */
export function vectorMemory(bytes: number): VectorMemory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE_BYTES) });
}

let compiled: object | undefined;

/** The loops on a memory. */
export function kernelsOn(memory: VectorMemory): Kernels {
  compiled ??= new WebAssembly.Module(encodeModule(stepLoops()));
  return new WebAssembly.Instance(compiled, { host: { memory } }).exports as Kernels;
}
