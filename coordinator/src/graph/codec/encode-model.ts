// A Graph to ONNX bytes; unknown fields of the nodes that came from a file are kept.
import { clone, create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '../../gen/kronlens/onnx/onnx_pb.js';
import type { Attribute, Graph, Node, ValueInfo } from '../graph.js';
import { toInt64 } from '../tensor.js';
import { ATTRIBUTE_TYPE, ELEMENT_TYPE, irVersionOf } from './format.js';
import { encodeTensor } from './tensor-proto.js';

/** The bytes of a ModelProto; outputs may lack a shape and take their type from the runtime. */
export function encodeModel(
  graph: Graph,
  options: { readonly untypedOutputs?: boolean } = {},
): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(Math.max(graph.irVersion, irVersionOf(graph.opset))),
    producerName: 'kronlens',
    opsetImport: [
      { domain: '', version: BigInt(graph.opset) },
      ...[...graph.domains].map(([domain, version]) => ({ domain, version: BigInt(version) })),
    ],
    functions: [...(graph.functions ?? [])],
    graph: {
      name: 'kronlens',
      node: graph.nodes.map(encodeNode),
      initializer: [...graph.initializers].map(([name, tensor]) => encodeTensor(name, tensor)),
      input: graph.inputs.map(encodeValueInfo),
      output: graph.outputs.map((output) =>
        options.untypedOutputs === true
          ? create(ValueInfoProtoSchema, { name: output.name })
          : encodeValueInfo(output),
      ),
    },
  });
  return toBinary(ModelProtoSchema, model);
}

/** A node of the format, with what the file had beyond the fields that are read. */
export function encodeNode(node: Node): NodeProto {
  const proto =
    node.source === undefined ? create(NodeProtoSchema) : clone(NodeProtoSchema, node.source);
  proto.name = node.name;
  proto.opType = node.op;
  proto.domain = node.domain;
  proto.input = [...node.inputs];
  proto.output = [...node.outputs];
  proto.attribute = Object.entries(node.attributes).map(([name, attribute]) =>
    encodeAttribute(name, attribute),
  );
  return proto;
}

const TEXT = new TextEncoder();

function encodeAttribute(name: string, attribute: Attribute): AttributeProto {
  const of = (type: number, fields: Partial<AttributeProto>) =>
    create(AttributeProtoSchema, { ...(fields as object), name, type });
  switch (attribute.kind) {
    case 'int':
      return of(ATTRIBUTE_TYPE.int, { i: toInt64(attribute.value) });
    case 'float':
      return of(ATTRIBUTE_TYPE.float, { f: attribute.value });
    case 'string':
      return of(ATTRIBUTE_TYPE.string, { s: TEXT.encode(attribute.value) });
    case 'ints':
      return of(ATTRIBUTE_TYPE.ints, { ints: attribute.value.map(toInt64) });
    case 'floats':
      return of(ATTRIBUTE_TYPE.floats, { floats: [...attribute.value] });
    case 'strings':
      return of(ATTRIBUTE_TYPE.strings, {
        strings: attribute.value.map((text) => TEXT.encode(text)),
      });
    case 'tensor':
      return of(ATTRIBUTE_TYPE.tensor, { t: encodeTensor('', attribute.value) });
    case 'other':
      return attribute.value as AttributeProto;
  }
}

function encodeValueInfo(info: ValueInfo): ValueInfoProto {
  const dims = info.shape?.map((size) =>
    typeof size === 'string'
      ? { value: { case: 'dimParam' as const, value: size } }
      : {
          value:
            size < 0 ? { case: undefined } : { case: 'dimValue' as const, value: BigInt(size) },
        },
  );
  return create(ValueInfoProtoSchema, {
    name: info.name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: ELEMENT_TYPE[info.dtype],
          ...(dims === undefined ? {} : { shape: { dim: dims } }),
        },
      },
    },
  });
}
