// What the graph needs executed goes through this interface; the embedded worker implements it.
import type { ConstantFile } from './codec/constant-file.js';
import type { DType, Tensor } from './graph.js';

/** Executes ONNX models. The graph uses it to fold constants and to observe shapes. */
export interface Evaluator {
  /** Where models that are evaluated may keep large constants; absent: they hold them themselves. */
  readonly constants?: ConstantFile;
  /**
   * Runs a serialised ONNX model once, unoptimised.
   * @param model the bytes of a ModelProto; graph outputs need no declared type
   * @param feeds a tensor per model input
   * @param fetch the outputs to compute
   * @returns the fetched tensors, and the element types of *all* the model's outputs as the runtime
   *   infers them (types of outputs that are not fetched cost nothing)
   */
  evaluate(
    model: Uint8Array,
    feeds: ReadonlyMap<string, Tensor>,
    fetch: readonly string[],
  ): Promise<{ tensors: ReadonlyMap<string, Tensor>; dtypes: ReadonlyMap<string, DType> }>;
}
