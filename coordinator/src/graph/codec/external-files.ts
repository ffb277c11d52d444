// Names the files that a model keeps weights in, beside its own.
import { fromBinary } from '@bufbuild/protobuf';
import {
  type GraphProto,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
} from '../../gen/kronlens/onnx/onnx_pb.js';
import { EXTERNAL_LOCATION } from './format.js';

function* tensorsOfNodes(nodes: readonly NodeProto[]): Iterable<TensorProto> {
  for (const { attribute } of nodes)
    for (const { t, tensors, g, graphs } of attribute) {
      if (t !== undefined) yield t;
      yield* tensors;
      for (const graph of g === undefined ? graphs : [g, ...graphs]) yield* tensorsOf(graph);
    }
}

function* tensorsOf(graph: GraphProto): Iterable<TensorProto> {
  yield* graph.initializer;
  yield* tensorsOfNodes(graph.node);
}

/**
 * Locations of external data, relative to the model's folder, each once, sorted.
 * @param bytes a model file that `decodeModel` accepts
 */
export function externalFiles(bytes: Uint8Array): readonly string[] {
  const { graph, functions } = fromBinary(ModelProtoSchema, bytes);
  const found = new Set<string>();
  const visit = (tensors: Iterable<TensorProto>) => {
    for (const { dataLocation, externalData } of tensors) {
      if (dataLocation !== EXTERNAL_LOCATION) continue;
      const location = externalData.find(({ key }) => key === 'location')?.value;
      if (location !== undefined && location !== '') found.add(location);
    }
  };
  if (graph !== undefined) visit(tensorsOf(graph));
  for (const { node } of functions) visit(tensorsOfNodes(node));
  return [...found].sort();
}
