// The graph: ONNX files as plain data, and what can be done with them, by name.
export {
  AttributeKindError,
  float,
  floatAttribute,
  floatsAttribute,
  int,
  intAttribute,
  ints,
  intsAttribute,
  string,
  stringAttribute,
  tensorAttribute,
  without,
} from './attributes.js';
export {
  type BatchPlace,
  candidatePlaces,
  observePlaces,
} from './batch/batch-place.js';
export { rebatch } from './batch/rebatch.js';
export { spreadPositions } from './batch/spread-positions.js';
export { reads } from './bodies.js';
export { GraphBuilder } from './builder.js';
export type { ConstantFile, ConstantPlace } from './codec/constant-file.js';
export { decodeModel } from './codec/decode-model.js';
export { encodeModel } from './codec/encode-model.js';
export { externalFiles } from './codec/external-files.js';
export { type LoadedModel, loadModel } from './codec/load-model.js';
export { ModelError } from './codec/model-error.js';
export type { Evaluator } from './evaluator.js';
export {
  type Attribute,
  type Attributes,
  consumers,
  type DType,
  elementCount,
  type Graph,
  type Node,
  producers,
  type ShapedGraph,
  type Tensor,
  type TensorType,
  typeOf,
  type ValueInfo,
} from './graph.js';
export { isComputedByExporter, isMadeUp } from './made-up-names.js';
export { opRule, opRules } from './ops/table.js';
export { canonicalise } from './passes/index.js';
export { printed } from './printed.js';
export { dependents, type PullBack, pullBack, UnsupportedOpError } from './reverse.js';
export { compareStructure, type StructureComparison } from './same-structure.js';
export { specialise } from './specialise.js';
export * as tensor from './tensor.js';
export { unsupportedAdvice } from './unsupported-advice.js';
export { at } from './window.js';
