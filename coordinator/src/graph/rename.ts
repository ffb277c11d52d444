// Renames the values of nodes, those in their bodies included.
import type { GraphProto, NodeProto } from '../gen/kronlens/onnx/onnx_pb.js';
import { withBodies } from './bodies.js';
import type { Node } from './graph.js';

/** New name of a value; '' (an absent value) stays ''. */
export type Rename = (value: string) => string;

/** The node with every value that it or its bodies read or make renamed; its own name stays. */
export function renamed(node: Node, rename: Rename): Node {
  return {
    ...withBodies(node, (body) => renamedBody(body, rename)),
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  };
}

function renamedBody(body: GraphProto, rename: Rename): GraphProto {
  const own = <T extends { name: string }>(value: T): T => ({ ...value, name: rename(value.name) });
  return {
    ...body,
    input: body.input.map(own),
    output: body.output.map(own),
    initializer: body.initializer.map(own),
    valueInfo: [],
    node: body.node.map((proto) => renamedProto(proto, rename)),
  };
}

function renamedProto(proto: NodeProto, rename: Rename): NodeProto {
  return {
    ...proto,
    input: proto.input.map(rename),
    output: proto.output.map(rename),
    attribute: proto.attribute.map((attribute) => {
      const graphs = attribute.graphs.map((body) => renamedBody(body, rename));
      return attribute.g === undefined
        ? { ...attribute, graphs }
        : { ...attribute, graphs, g: renamedBody(attribute.g, rename) };
    }),
  };
}
