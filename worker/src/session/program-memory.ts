// What a thread keeps of a program between tasks beside its session: memory that every task needs.
import {
  type BundleLayout,
  ElementType,
  KronlensError,
  type Program,
  Reduction,
} from '@kronlens/proto';
import type ort from 'onnxruntime-node';
import { allocate } from '../data/convert.js';
import { outputLayout, type SpareSums } from './batch-outputs.js';
import type { Session } from './runtime-session.js';
import { elementTypeOf, runtimeTensor } from './tensor-types.js';

/**
 * Memory that is used task after task. Allocating it anew costs more than the page faults: what is
 * allocated outside of the JavaScript heap makes V8 collect the whole heap every 64 MB.
 */
export class ProgramMemory {
  /** Memory for the outputs that are added up, used batch after batch; null asks for fresh memory. */
  readonly into: Readonly<Record<string, ort.Tensor | null>>;
  readonly spareSums: SpareSums = new Map();
  readonly #program: Program;
  #layout: { readonly samples: number; readonly layout: BundleLayout } | undefined;

  /** @throws KronlensError when the session does not have the program's outputs */
  constructor(session: Session, program: Program) {
    this.into = outputMemory(session, program);
    this.#program = program;
  }

  /** The form of the bundle of the program's outputs over so many samples. */
  layout(samples: number): BundleLayout {
    if (this.#layout?.samples !== samples)
      this.#layout = { samples, layout: outputLayout(this.#program.outputs, samples) };
    return this.#layout.layout;
  }
}

function outputMemory(session: Session, program: Program): Record<string, ort.Tensor | null> {
  const types = new Map(
    session.outputMetadata.map((value) => [
      value.name,
      value.isTensor ? elementTypeOf(value.type) : ElementType.ELEMENT_TYPE_UNSPECIFIED,
    ]),
  );
  const memory: Record<string, ort.Tensor | null> = {};
  for (const output of program.outputs) {
    const type = types.get(output.name);
    if (type !== ElementType.FLOAT32 && type !== ElementType.FLOAT64) {
      throw new KronlensError(
        'bad-program',
        `program '${program.name}' has no output '${output.name}' of type float32 or float64`,
      );
    }
    const shape = output.shape.map(Number);
    const length = shape.reduce((product, size) => product * size, 1);
    memory[output.name] =
      output.reduction === Reduction.SUM
        ? runtimeTensor(type, allocate(type, length), shape)
        : null;
  }
  return memory;
}
