// A program before it is stored: the ONNX bytes and the manifest that still lacks their content id.
import type { Program } from '@kronlens/proto';

export interface BuiltProgram {
  readonly model: Uint8Array;
  /** `manifest.model` is empty until the bytes are stored. */
  readonly manifest: Program;
}

/** The programs of one group of layers: for full batches, and for the last, partial one. */
export interface ProgramPair {
  readonly layers: readonly string[];
  readonly full: BuiltProgram;
  /** Absent where the batches come out even, or where `full` masks padded samples itself. */
  readonly tail: BuiltProgram | undefined;
  /** Memory of a pass over the data at its peak, as estimated; undefined: little. */
  readonly peakBytes?: number;
}
