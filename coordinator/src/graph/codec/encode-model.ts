// A Graph to ONNX bytes; unknown fields of the nodes that came from a file are kept.
import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '../../gen/kronlens/onnx/onnx_pb.js';
import type { Attribute, Graph, Node, ValueInfo } from '../graph.js';
import { toInt64 } from '../tensor.js';
import { atPlace, type ConstantFile } from './constant-file.js';
import { ATTRIBUTE_TYPE, ELEMENT_TYPE, irVersionOf, LARGEST_MESSAGE_BYTES } from './format.js';
import { ModelError } from './model-error.js';
import { attributeRemainders, valueInfoRemainders } from './remainders.js';
import { spliceWeights } from './splice-weights.js';
import { encodeTensor } from './tensor-proto.js';

export interface EncodeOptions {
  /** Outputs lack a shape and take their type from the runtime. */
  readonly untypedOutputs?: boolean;
  /** Takes initializers that are large; absent: the bytes hold all. */
  readonly constants?: ConstantFile | undefined;
}

/**
 * The bytes of a ModelProto. What the graph keeps of a file (`source`, and what its parts were read
 * from) is written back.
 * @throws ModelError when the contents are larger than the format allows
 */
export function encodeModel(graph: Graph, options: EncodeOptions = {}): Uint8Array {
  const initializers = [...graph.initializers].map(([name, tensor]) => {
    const place = options.constants?.place(tensor.bytes);
    const proto = encodeTensor(name, tensor);
    return place === undefined ? proto : atPlace(proto, place);
  });
  let byteLength = 0;
  for (const { rawData } of initializers) byteLength += rawData?.byteLength ?? 0;
  if (byteLength > LARGEST_MESSAGE_BYTES)
    throw new ModelError(
      'model-too-large',
      `the model's constants have ${byteLength} bytes; models of 2 GiB and more are not supported`,
    );
  const model = graph.source ?? create(ModelProtoSchema, { producerName: 'kronlens' });
  const contents = model.graph ?? create(GraphProtoSchema, { name: 'kronlens' });
  return spliceWeights(
    {
      ...model,
      irVersion: BigInt(Math.max(graph.irVersion, irVersionOf(graph.opset))),
      opsetImport: [
        operatorSet('', graph.opset),
        ...[...graph.domains].map(([domain, version]) => operatorSet(domain, version)),
      ],
      functions: [...(graph.functions ?? [])],
    },
    {
      ...contents,
      node: graph.nodes.map(encodeNode),
      input: graph.inputs.map(encodeValueInfo),
      output: graph.outputs.map((output) =>
        options.untypedOutputs === true
          ? create(ValueInfoProtoSchema, { name: output.name })
          : encodeValueInfo(output),
      ),
    },
    initializers,
  );
}

const operatorSet = (domain: string, version: number) =>
  create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) });

/** A node of the format, with what the file had beyond the fields that are read. */
export function encodeNode(node: Node): NodeProto {
  return {
    ...(node.source ?? create(NodeProtoSchema)),
    name: node.name,
    opType: node.op,
    domain: node.domain,
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: Object.entries(node.attributes).map(([name, attribute]) =>
      encodeAttribute(name, attribute),
    ),
    metadataProps: [...node.metadata].map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
  };
}

const TEXT = new TextEncoder();

function encodeAttribute(name: string, attribute: Attribute): AttributeProto {
  const read = attributeRemainders.of(attribute);
  if (read !== undefined) return { ...read, name };
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
      return { ...(attribute.value as AttributeProto), name };
  }
}

function encodeValueInfo(info: ValueInfo): ValueInfoProto {
  const read = valueInfoRemainders.of(info);
  if (read !== undefined) return read;
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
