// The element types of values, as far as they follow from the file alone, without running anything.
import { intAttribute, tensorAttribute } from './attributes.js';
import { dtypeOf } from './codec/format.js';
import type { DType, Graph, Node } from './graph.js';
import { FUSED, FUSED_PRODUCTS, SUMS } from './known-ranks.js';
import { opRule } from './ops/table.js';

const BOOLEAN: ReadonlySet<string> = new Set([
  ...['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal'],
  ...['And', 'Or', 'Xor', 'Not', 'IsNaN', 'IsInf'],
]);
const INDICES: ReadonlySet<string> = new Set(['Shape', 'Size', 'ArgMax', 'ArgMin', 'NonZero']);
/** Ops outside the table whose first output has the type of their first input. */
const SAME: ReadonlySet<string> = new Set([
  ...['GroupNormalization', 'RMSNormalization', 'LpNormalization', 'RotaryEmbedding', 'Attention'],
  ...['LpPool', 'GlobalLpPool', 'Einsum', 'GridSample', 'MeanVarianceNormalization'],
]);

/** The known element types; a value that is absent has an unknown one. */
export function knownDtypes(graph: Graph): ReadonlyMap<string, DType> {
  const dtypes = new Map<string, DType>();
  for (const [name, { dtype }] of graph.initializers) dtypes.set(name, dtype);
  for (const { name, dtype } of graph.inputs) dtypes.set(name, dtype);
  for (const node of graph.nodes) {
    const dtype = typeFrom(node, dtypes);
    const [first = '', ...others] = node.outputs;
    if (dtype === undefined) continue;
    if (first !== '') dtypes.set(first, dtype);
    // Further outputs may be masks and indices; those of Split are parts.
    if (node.op === 'Split' || SUMS.has(node.op))
      for (const other of others) if (other !== '') dtypes.set(other, dtype);
  }
  return dtypes;
}

function typeFrom(node: Node, dtypes: ReadonlyMap<string, DType>): DType | undefined {
  if (node.domain === '') return dtypeFrom(node, dtypes);
  const fused = FUSED.has(node.op) || FUSED_PRODUCTS.has(node.op);
  return fused && node.domain === 'com.microsoft' ? dtypes.get(node.inputs[0] ?? '') : undefined;
}

function dtypeFrom(node: Node, dtypes: ReadonlyMap<string, DType>): DType | undefined {
  if (BOOLEAN.has(node.op)) return 'bool';
  if (INDICES.has(node.op)) return 'int64';
  const of = (index: number) => dtypes.get(node.inputs[index] ?? '');
  switch (node.op) {
    case 'Cast':
      return dtypeOf(intAttribute(node, 'to', 0));
    case 'CastLike':
    case 'Where':
      return of(1);
    case 'OneHot':
      return of(2);
    case 'EyeLike':
      return node.attributes.dtype === undefined ? of(0) : dtypeOf(intAttribute(node, 'dtype', 0));
    case 'ConstantOfShape':
      return tensorAttribute(node, 'value')?.dtype ?? 'float32';
    default:
      return opRule(node.op) !== undefined || SAME.has(node.op) ? of(0) : undefined;
  }
}
