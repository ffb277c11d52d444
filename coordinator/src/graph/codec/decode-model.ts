// ONNX bytes to a Graph.
import { fromBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type ValueInfoProto,
} from '../../gen/kronlens/onnx/onnx_pb.js';
import type { Attribute, Graph, Node, Tensor, ValueInfo } from '../graph.js';
import {
  ATTRIBUTE_TYPE,
  canonicalDomain,
  dtypeOf,
  elementTypeName,
  NEWEST_OPSET,
  OLDEST_OPSET,
} from './format.js';
import { ModelError } from './model-error.js';
import { attributeRemainders, valueInfoRemainders } from './remainders.js';
import { decodeTensor, type ModelFolder } from './tensor-proto.js';

/**
 * @param name what the file is called in error messages
 * @param folder where external data may lie
 * @throws ModelError when the bytes are no usable ONNX model
 */
export function decodeModel(bytes: Uint8Array, name = 'the model', folder?: ModelFolder): Graph {
  return graphOf(parse(bytes, name), name, folder);
}

function parse(bytes: Uint8Array, name: string): ModelProto {
  if (bytes.byteLength === 0) throw new ModelError('not-onnx', `${name} is empty`);
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) {
    throw new ModelError(
      'not-onnx',
      `${name} is a zip archive (a PyTorch checkpoint?), not an ONNX file; export it with torch.onnx.export`,
    );
  }
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new ModelError('not-onnx', `${name} is not an ONNX file, or it is truncated`, cause);
  }
  if (model.graph === undefined || model.opsetImport.length === 0) {
    throw new ModelError(
      'not-onnx',
      `${name} is not an ONNX file, or it is truncated: it has no ${model.graph === undefined ? 'graph' : 'opset'}`,
    );
  }
  return model;
}

function graphOf(model: ModelProto, name: string, folder: ModelFolder): Graph {
  const proto = model.graph;
  if (proto === undefined) throw new ModelError('not-onnx', `${name} has no graph`);
  const domains = new Map(
    model.opsetImport.map(({ domain, version }) => [canonicalDomain(domain), Number(version)]),
  );
  const opset = domains.get('');
  domains.delete('');
  if (opset === undefined)
    throw new ModelError('not-onnx', `${name} names no opset of the standard domain`);
  if (opset > NEWEST_OPSET || opset < OLDEST_OPSET) {
    throw new ModelError(
      'unsupported-opset',
      `${name} uses opset ${opset}; opsets ${OLDEST_OPSET} to ${NEWEST_OPSET} are supported, export it with opset_version=20`,
    );
  }
  if (proto.sparseInitializer.length > 0)
    throw new ModelError(
      'unsupported-type',
      `${name} has sparse initializers, which are not supported`,
    );
  const initializers = new Map<string, Tensor>();
  for (const tensor of proto.initializer) {
    if (initializers.has(tensor.name))
      throw new ModelError(
        'malformed-model',
        `${name}: initializer '${tensor.name}' is there twice`,
      );
    initializers.set(tensor.name, decodeTensor(tensor, folder));
  }
  // Before format version 4 initializers were listed among the inputs too.
  const inputs = proto.input
    .filter((input) => !initializers.has(input.name))
    .map((input) => valueInfo(input, name));
  const nodes = proto.node.map((node, index) => decodeNode(node, index, folder));
  const graph: Graph = {
    opset,
    irVersion: Number(model.irVersion),
    inputs,
    outputs: proto.output.map((output) => valueInfo(output, name)),
    nodes: withDistinctNames(nodes),
    initializers,
    domains,
    functions: model.functions,
    source: {
      ...model,
      opsetImport: [],
      functions: [],
      graph: { ...proto, node: [], initializer: [], input: [], output: [] },
    },
  };
  checkOrder(graph, name);
  return graph;
}

function withDistinctNames(nodes: readonly Node[]): Node[] {
  const taken = new Set<string>();
  return nodes.map((node) => {
    let name = node.name;
    for (let count = 2; taken.has(name); count++) name = `${node.name}#${count}`;
    taken.add(name);
    return name === node.name ? node : { ...node, name };
  });
}

/** Every value is defined once, and before it is used. */
function checkOrder(graph: Graph, name: string): void {
  const known = new Set([...graph.inputs.map((input) => input.name), ...graph.initializers.keys()]);
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (input !== '' && !known.has(input)) {
        throw new ModelError(
          'malformed-model',
          `${name}: node '${node.name}' reads '${input}', which nothing before it makes; the file is damaged or truncated`,
        );
      }
    }
    for (const output of node.outputs) {
      if (output === '') continue;
      if (known.has(output))
        throw new ModelError('malformed-model', `${name}: value '${output}' is made twice`);
      known.add(output);
    }
  }
  for (const output of graph.outputs) {
    if (!known.has(output.name))
      throw new ModelError('malformed-model', `${name}: nothing makes the output '${output.name}'`);
  }
}

function valueInfo(proto: ValueInfoProto, name: string): ValueInfo {
  const type = proto.type?.value;
  if (type?.case !== 'tensorType') {
    if (type?.case === undefined) return { name: proto.name, dtype: 'float32', shape: undefined };
    throw new ModelError('unsupported-type', `${name}: '${proto.name}' is no tensor`);
  }
  const dtype = dtypeOf(type.value.elemType);
  if (dtype === undefined)
    throw new ModelError(
      'unsupported-type',
      `${name}: '${proto.name}' has element type ${elementTypeName(type.value.elemType)}, which is not supported`,
    );
  const shape = type.value.shape?.dim.map((dim) =>
    dim.value.case === 'dimValue'
      ? Number(dim.value.value)
      : dim.value.case === 'dimParam'
        ? dim.value.value
        : -1,
  );
  return valueInfoRemainders.keep({ name: proto.name, dtype, shape }, proto);
}

/** A node of the format; nodes without a name are called after what they make. */
export function decodeNode(proto: NodeProto, index: number, folder: ModelFolder): Node {
  const name =
    proto.name !== ''
      ? proto.name
      : (proto.output.find((output) => output !== '') ?? `${proto.opType}_${index}`);
  return {
    name,
    op: proto.opType,
    domain: canonicalDomain(proto.domain),
    inputs: proto.input,
    outputs: proto.output,
    attributes: Object.fromEntries(
      proto.attribute.map((attribute) => [attribute.name, decodeAttribute(attribute, folder)]),
    ),
    metadata: new Map(proto.metadataProps.map(({ key, value }) => [key, value])),
    source: proto,
  };
}

const TEXT = new TextDecoder();

/**
 * An attribute of the format. What is not read is kept as it is: graphs, types, strings in tensors,
 * and inside functions references to the function's parameters.
 */
export function decodeAttribute(proto: AttributeProto, folder: ModelFolder): Attribute {
  const attribute = attributeOf(proto, folder);
  const beyond = (proto.$unknown?.length ?? 0) > 0 || proto.docString !== '';
  return beyond ? attributeRemainders.keep(attribute, proto) : attribute;
}

function attributeOf(proto: AttributeProto, folder: ModelFolder): Attribute {
  if (proto.refAttrName !== '') return { kind: 'other', value: proto };
  switch (proto.type) {
    case ATTRIBUTE_TYPE.float:
      return { kind: 'float', value: proto.f ?? 0 };
    case ATTRIBUTE_TYPE.int:
      return { kind: 'int', value: Number(proto.i ?? 0n) };
    case ATTRIBUTE_TYPE.string:
      return { kind: 'string', value: TEXT.decode(proto.s) };
    case ATTRIBUTE_TYPE.floats:
      return { kind: 'floats', value: proto.floats };
    case ATTRIBUTE_TYPE.ints:
      return { kind: 'ints', value: proto.ints.map(Number) };
    case ATTRIBUTE_TYPE.strings:
      return { kind: 'strings', value: proto.strings.map((text) => TEXT.decode(text)) };
    case ATTRIBUTE_TYPE.tensor:
      if (proto.t !== undefined && dtypeOf(proto.t.dataType) !== 'string')
        return { kind: 'tensor', value: decodeTensor(proto.t, folder) };
      return { kind: 'other', value: proto };
    default:
      return { kind: 'other', value: proto };
  }
}
