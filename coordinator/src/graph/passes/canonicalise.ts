// All passes in their order: from the graph of a file to the form that everything later reads.
import type { Graph } from '../graph.js';
import { removeDeadCode } from './dead-code.js';
import { inlineFunctions } from './inline-functions.js';
import { removeConstants } from './remove-constants.js';
import { removeIdentities } from './remove-identities.js';
import { resolveCastLike } from './resolve-cast-like.js';
import { sliceRows } from './slice-rows.js';
import { standardiseWeights } from './standardise-weights.js';
import { upgrade } from './upgrade.js';

/**
 * The graph in canonical form: no local functions, constants as initializers, no nodes that only
 * pass a value on, every node in the form of opset 20 or newer, nothing that no output needs.
 * Nodes of ops outside the table stay as they are.
 * @throws ModelError when the model has a form that is refused, for example a node in training mode
 */
export function canonicalise(graph: Graph): Graph {
  // Dead code goes before `upgrade`, which must not refuse a model for nodes that it does not use.
  const { source: _, ...own } = removeDeadCode(removeConstants(inlineFunctions(graph)));
  const upgraded = upgrade(standardiseWeights(removeIdentities(own)));
  return removeDeadCode(sliceRows(resolveCastLike(upgraded)));
}
