// How many nodes a model has once its functions are inlined, found without inlining them.
import type { FunctionProto, GraphProto, NodeProto } from '../../gen/kronlens/onnx/onnx_pb.js';
import { bodies } from '../bodies.js';
import { canonicalDomain } from '../codec/format.js';
import { ModelError } from '../codec/model-error.js';
import type { Node } from '../graph.js';

/** What a node calls a function by. */
export function functionKey(domain: string, name: string, overload: string): string {
  return JSON.stringify([canonicalDomain(domain), name, overload]);
}

/**
 * The number of nodes that `nodes` stand for, those in bodies included.
 * @throws ModelError when a function calls itself
 */
export function expandedSize(
  nodes: readonly Node[],
  functions: ReadonlyMap<string, FunctionProto>,
): number {
  const sizes = new Map<FunctionProto, number>();
  const within = new Set<FunctionProto>();
  const callSize = (called: FunctionProto | undefined): number => {
    if (called === undefined) return 1;
    const known = sizes.get(called);
    if (known !== undefined) return known;
    if (within.has(called))
      throw new ModelError('malformed-model', `the model's function '${called.name}' calls itself`);
    within.add(called);
    const size = total(called.node, protoSize);
    within.delete(called);
    sizes.set(called, size);
    return size;
  };
  const bodySize = (body: GraphProto): number => total(body.node, protoSize);
  const protoSize = (proto: NodeProto): number =>
    callSize(functions.get(functionKey(proto.domain, proto.opType, proto.overload))) +
    total(proto.attribute, ({ g, graphs }) =>
      total(g === undefined ? graphs : [g, ...graphs], bodySize),
    );
  return total(nodes, (node) => {
    const key = functionKey(node.domain, node.op, node.source?.overload ?? '');
    return callSize(functions.get(key)) + total(bodies(node), bodySize);
  });
}

function total<T>(items: readonly T[], size: (item: T) => number): number {
  return items.reduce((sum, item) => sum + size(item), 0);
}
