// Rewrites every node into the form that canonical opset 20 gives its op, composite ops into what they stand for.
import { withBodies } from '../bodies.js';
import { decodeNode } from '../codec/decode-model.js';
import { encodeNode } from '../codec/encode-model.js';
import { ModelError } from '../codec/model-error.js';
import { decomposition } from '../decompositions/table.js';
import { FreshNames, nodeNames, valueNames } from '../fresh-names.js';
import type { Graph, Node, Tensor } from '../graph.js';
import { knownDtypes } from '../known-dtypes.js';
import { knownRanks } from '../known-ranks.js';
import { OLDER_FORMS } from '../ops/older-forms.js';
import { type OpRule, UnsupportedFormError, type UpgradeContext } from '../ops/op-rule.js';
import { opRule } from '../ops/table.js';

/** The opset that op rules are written for; newer models keep theirs, their forms agree. */
export const CANONICAL_OPSET = 20;

/**
 * The graph at opset max(20, its own), nodes in bodies included. Ops without an upgrade have had
 * one form since opset 9, or are none of ours. Composite ops become the nodes that they stand for.
 * @throws ModelError for forms that are refused, naming the node
 */
export function upgrade(graph: Graph): Graph {
  const opset = Math.max(
    CANONICAL_OPSET,
    graph.opset,
    ...graph.nodes.map((node) => node.opset ?? 0),
  );
  const upgrader = new Upgrader(graph);
  const nodes = graph.nodes.flatMap((node) =>
    upgrader.upgraded(node, node.opset ?? graph.opset).map(withoutOpset),
  );
  return { ...graph, opset, nodes, initializers: upgrader.initializers };
}

function withoutOpset({ opset: _, ...node }: Node): Node {
  return node;
}

/** The upgrade of an op of the standard domain, in the table or not. */
function changeOf({ domain, op }: Node): OpRule['upgrade'] {
  return domain === '' ? (opRule(op)?.upgrade ?? OLDER_FORMS.get(op)) : undefined;
}

class Upgrader {
  readonly initializers: Map<string, Tensor>;
  readonly #context: UpgradeContext;

  constructor(graph: Graph) {
    const ranks = knownRanks(graph);
    const dtypes = knownDtypes(graph);
    this.initializers = new Map(graph.initializers);
    const names = new FreshNames([...valueNames(graph), ...nodeNames(graph)]);
    const fresh = (stem: string) => names.take(`kl_${stem}`);
    this.#context = {
      fresh,
      constant: (tensor) => {
        const name = fresh('constant');
        this.initializers.set(name, tensor);
        return name;
      },
      initializer: (value) => this.initializers.get(value),
      rank: (value) => ranks.get(value),
      dtype: (value) => dtypes.get(value),
    };
  }

  upgraded(node: Node, opset: number): readonly Node[] {
    const whole = withBodies(node, (body) => ({
      ...body,
      node: body.node.flatMap((proto, index) =>
        this.upgraded(decodeNode(proto, index, undefined), opset).map(encodeNode),
      ),
    }));
    const change = decomposition(node.domain, node.op) ?? changeOf(node);
    if (change === undefined) return [whole];
    try {
      return change(whole, opset, this.#context);
    } catch (cause) {
      if (cause instanceof UnsupportedFormError)
        throw new ModelError(cause.code, cause.message, cause);
      throw cause;
    }
  }
}
