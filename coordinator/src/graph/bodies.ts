// The graphs that nodes carry in attributes (branches of If, bodies of Loop and Scan), and what they read.
import { isMessage } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
} from '../gen/kronlens/onnx/onnx_pb.js';
import type { Attribute, Node } from './graph.js';

/** The attribute as the file has it, where it is of a kind that is kept unread. */
export function unreadAttribute(attribute: Attribute): AttributeProto | undefined {
  return attribute.kind === 'other' && isMessage(attribute.value, AttributeProtoSchema)
    ? attribute.value
    : undefined;
}

/** The graphs in the node's attributes, outermost only. */
export function bodies(node: Node): readonly GraphProto[] {
  return Object.values(node.attributes).flatMap((attribute) => {
    const proto = unreadAttribute(attribute);
    if (proto === undefined) return [];
    return proto.g === undefined ? proto.graphs : [proto.g, ...proto.graphs];
  });
}

/** The node with each of its bodies replaced; the node itself where it has none. */
export function withBodies(node: Node, change: (body: GraphProto) => GraphProto): Node {
  if (bodies(node).length === 0) return node;
  const attributes = Object.entries(node.attributes).map(([name, attribute]) => {
    const proto = unreadAttribute(attribute);
    if (proto === undefined) return [name, attribute] as const;
    const graphs = proto.graphs.map(change);
    const changed =
      proto.g === undefined ? { ...proto, graphs } : { ...proto, graphs, g: change(proto.g) };
    return [name, { kind: 'other', value: changed } satisfies Attribute] as const;
  });
  return { ...node, attributes: Object.fromEntries(attributes) };
}

/** The values of the enclosing graph that the node's bodies read; they are not among its inputs. */
export function captures(node: Node): ReadonlySet<string> {
  const captured = new Set<string>();
  for (const body of bodies(node)) capture(body, new Set(), captured);
  return captured;
}

function capture(body: GraphProto, outer: ReadonlySet<string>, captured: Set<string>): void {
  const local = new Set(outer);
  for (const { name } of [...body.input, ...body.initializer]) local.add(name);
  const read = (name: string) => {
    if (name !== '' && !local.has(name)) captured.add(name);
  };
  for (const node of body.node) {
    for (const input of node.input) read(input);
    for (const { g, graphs } of node.attribute)
      for (const inner of g === undefined ? graphs : [g, ...graphs])
        capture(inner, local, captured);
    for (const output of node.output) local.add(output);
  }
  for (const output of body.output) read(output.name);
}

/** All values that the node needs, each once: its inputs and what its bodies capture. */
export function reads(node: Node): readonly string[] {
  return [...new Set([...node.inputs, ...captures(node)])].filter((value) => value !== '');
}
