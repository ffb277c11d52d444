// Names parameters of group normalisations, which exporters lay out anew under names of their own making.
import { consumers, type ShapedGraph } from '../graph/index.js';
import { moduleName } from '../layers/index.js';

/** What the one node that reads a parameter does with it. */
const PARTS: ReadonlyMap<string, string> = new Map([
  ['Mul', 'weight'],
  ['Add', 'bias'],
]);

/**
 * PyTorch's exporters write GroupNorm as InstanceNormalization of reshaped groups, with neither scale nor shift, and a Mul
 * and an Add of constants [C, 1, 1] in the scope of the same module.
 * @returns the names of those constants as PyTorch has them, by value
 */
export function groupNormParameters(graph: ShapedGraph): ReadonlyMap<string, string> {
  const modules = new Set(
    graph.nodes
      .filter(({ domain, op }) => domain === '' && op === 'InstanceNormalization')
      .map(moduleName),
  );
  const readers = consumers(graph);
  const names = new Map<string, string>();
  for (const value of graph.initializers.keys()) {
    const [reader, ...others] = readers.get(value) ?? [];
    if (reader === undefined || others.length > 0) continue;
    const [module, part] = [moduleName(reader), PARTS.get(reader.op)];
    if (module === undefined || part === undefined || !modules.has(module)) continue;
    names.set(value, `${module}.${part}`);
  }
  return names;
}
