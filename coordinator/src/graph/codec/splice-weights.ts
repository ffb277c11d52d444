// Writes a model with its initializers in one piece of memory: weights of hundreds of megabytes are copied once.
import { toBinary } from '@bufbuild/protobuf';
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from '../../gen/kronlens/onnx/onnx_pb.js';

/** Fields of bytes and of messages, with their wire type 2: ModelProto.graph, GraphProto.initializer, TensorProto.raw_data. */
const GRAPH_TAG = (7 << 3) | 2;
const INITIALIZER_TAG = (5 << 3) | 2;
const RAW_DATA_TAG = (9 << 3) | 2;

/**
 * The bytes of a ModelProto. A protobuf writer copies every nested message into the one around it, thus
 * each weight three times.
 * @param model its graph is left out
 * @param graph its initializers are left out
 */
export function spliceWeights(
  { graph: _, ...model }: ModelProto,
  graph: GraphProto,
  initializers: readonly TensorProto[],
): Uint8Array {
  const head = toBinary(ModelProtoSchema, model);
  const tensors = initializers.flatMap(({ rawData, ...rest }) => {
    const facts = toBinary(TensorProtoSchema, rest);
    if (rawData === undefined) return [lengthPrefix(INITIALIZER_TAG, facts.byteLength), facts];
    const data = lengthPrefix(RAW_DATA_TAG, rawData.byteLength);
    const size = facts.byteLength + data.byteLength + rawData.byteLength;
    return [lengthPrefix(INITIALIZER_TAG, size), facts, data, rawData];
  });
  const body = [toBinary(GraphProtoSchema, { ...graph, initializer: [] }), ...tensors];
  const bodySize = body.reduce((size, part) => size + part.byteLength, 0);
  const parts = [head, lengthPrefix(GRAPH_TAG, bodySize), ...body];
  const all = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.byteLength;
  }
  return all;
}

/** A field's tag and the length of its contents, as varints; tags are below 128. */
function lengthPrefix(tag: number, length: number): Uint8Array {
  const bytes = [tag];
  let rest = length;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Uint8Array.of(...bytes, rest);
}
