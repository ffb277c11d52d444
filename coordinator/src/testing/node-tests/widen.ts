// A graph in another floating-point precision: inputs, constants, and what nodes make or cast to.
import { int } from '../../graph/attributes.js';
import { withBodies } from '../../graph/bodies.js';
import { decodeNode } from '../../graph/codec/decode-model.js';
import { encodeNode } from '../../graph/codec/encode-model.js';
import { ELEMENT_TYPE } from '../../graph/codec/format.js';
import type { Attribute, Graph, Node, Tensor } from '../../graph/graph.js';
import { floatTensor, tensorElements } from '../../graph/tensor.js';
import { isFloat } from './bind-inputs.js';

export type Width = 'float32' | 'float64';

/** Attributes that name an element type. */
const TYPE_ATTRIBUTES = ['to', 'dtype', 'output_datatype', 'stash_type'];
const FLOAT_TYPES = (['float32', 'float64', 'float16', 'bfloat16'] as const).map(
  (dtype) => ELEMENT_TYPE[dtype],
);

export function widenedTensor(tensor: Tensor, width: Width): Tensor {
  return isFloat(tensor.dtype) && tensor.dtype !== width
    ? floatTensor(tensorElements(tensor), tensor.shape, width)
    : tensor;
}

/** The graph with every floating-point value of one width; settings of Resize remain float32. */
export function widened(graph: Graph, width: Width): Graph {
  const kept = new Set(
    graph.nodes.flatMap((node) => (node.op === 'Resize' ? [node.inputs[2] ?? ''] : [])),
  );
  return {
    ...graph,
    inputs: graph.inputs.map((input) =>
      isFloat(input.dtype) ? { ...input, dtype: width } : input,
    ),
    nodes: graph.nodes.map((node) => widenedNode(node, width)),
    initializers: new Map(
      [...graph.initializers].map(([name, tensor]) => [
        name,
        kept.has(name) ? tensor : widenedTensor(tensor, width),
      ]),
    ),
  };
}

function widenedNode(node: Node, width: Width): Node {
  const attributes = Object.entries(node.attributes).map(([name, attribute]) => [
    name,
    widenedAttribute(name, attribute, width),
  ]);
  return withBodies({ ...node, attributes: Object.fromEntries(attributes) }, (body) => ({
    ...body,
    node: body.node.map((proto, index) =>
      encodeNode(widenedNode(decodeNode(proto, index, undefined), width)),
    ),
  }));
}

function widenedAttribute(name: string, attribute: Attribute, width: Width): Attribute {
  if (attribute.kind === 'tensor')
    return { ...attribute, value: widenedTensor(attribute.value, width) };
  if (attribute.kind !== 'int' || !TYPE_ATTRIBUTES.includes(name)) return attribute;
  return FLOAT_TYPES.includes(attribute.value) ? int(ELEMENT_TYPE[width]) : attribute;
}
