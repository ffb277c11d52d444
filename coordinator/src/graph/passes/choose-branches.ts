// Replaces every If whose condition is known by the nodes of the branch that it takes.
import type { GraphProto } from '../../gen/kronlens/onnx/onnx_pb.js';
import { unreadAttribute } from '../bodies.js';
import { decodeNode } from '../codec/decode-model.js';
import { ModelError } from '../codec/model-error.js';
import { decodeTensor } from '../codec/tensor-proto.js';
import { FreshNames, nodeNames, valueNames } from '../fresh-names.js';
import type { Graph, Node, Tensor } from '../graph.js';
import { renamed } from '../rename.js';

/**
 * The graph with the branches in place; names that they share with the graph get a number.
 * @param conditions what is known of the conditions' values, beside initializers
 */
export function chooseBranches(graph: Graph, conditions: ReadonlyMap<string, Tensor>): Graph {
  const values = new FreshNames(valueNames(graph));
  const names = new FreshNames(nodeNames(graph));
  const initializers = new Map(graph.initializers);
  let changed = false;
  const nodes = graph.nodes.flatMap((node) => {
    const condition =
      initializers.get(node.inputs[0] ?? '') ?? conditions.get(node.inputs[0] ?? '');
    if (node.op !== 'If' || node.domain !== '' || condition === undefined) return [node];
    changed = true;
    const branch = branchOf(node, condition.bytes[0] !== 0);
    const local = localNames(node, branch, values);
    const rename = (value: string) => local.get(value) ?? value;
    for (const proto of branch.initializer)
      initializers.set(rename(proto.name), decodeTensor(proto, undefined));
    const inner = branch.node.map((proto, index) => {
      const copy = renamed(decodeNode(proto, index, undefined), rename);
      return { ...copy, name: names.take(copy.name) };
    });
    return [...inner, ...passedOn(node, branch, rename, names)];
  });
  return changed ? { ...graph, nodes, initializers } : graph;
}

function branchOf(node: Node, taken: boolean): GraphProto {
  const name = taken ? 'then_branch' : 'else_branch';
  const attribute = node.attributes[name];
  const branch = attribute === undefined ? undefined : unreadAttribute(attribute)?.g;
  if (branch === undefined || branch.output.length !== node.outputs.length)
    throw new ModelError('malformed-model', `If '${node.name}' has no proper ${name}`);
  return branch;
}

/** New names of what the branch makes: the If's own outputs, and fresh ones for the rest. */
function localNames(
  node: Node,
  branch: GraphProto,
  values: FreshNames,
): ReadonlyMap<string, string> {
  const made = [
    ...branch.initializer.map((proto) => proto.name),
    ...branch.node.flatMap((proto) => proto.output),
  ].filter((value) => value !== '');
  const local = new Map<string, string>();
  for (const [index, { name }] of branch.output.entries()) {
    const output = node.outputs[index] ?? '';
    if (output !== '' && made.includes(name) && !local.has(name)) local.set(name, output);
  }
  for (const value of made) if (!local.has(value)) local.set(value, values.take(value));
  return local;
}

/** Outputs that the branch takes from the enclosing graph, or gives twice. */
function passedOn(
  node: Node,
  branch: GraphProto,
  rename: (value: string) => string,
  names: FreshNames,
): readonly Node[] {
  return branch.output.flatMap(({ name }, index) => {
    const output = node.outputs[index] ?? '';
    if (output === '' || rename(name) === output) return [];
    return [
      {
        name: names.take(output),
        op: 'Identity',
        domain: '',
        inputs: [rename(name)],
        outputs: [output],
        attributes: {},
        metadata: node.metadata,
      },
    ];
  });
}
