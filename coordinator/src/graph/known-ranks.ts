// The ranks of values, as far as they follow from the file alone, without running anything.
import { intAttribute, intsAttribute } from './attributes.js';
import type { Graph, Node } from './graph.js';
import { lengthFrom } from './known-lengths.js';

/** Ops whose outputs have the rank of their first input. */
const SAME_RANK: ReadonlySet<string> = new Set([
  ...['Conv', 'ConvTranspose', 'MaxPool', 'AveragePool', 'GlobalMaxPool', 'GlobalAveragePool'],
  ...['BatchNormalization', 'InstanceNormalization', 'LayerNormalization', 'LRN', 'Dropout'],
  ...['Identity', 'Relu', 'LeakyRelu', 'PRelu', 'Elu', 'Selu', 'Clip', 'Sigmoid', 'HardSigmoid'],
  ...['Tanh', 'Softplus', 'Erf', 'Gelu', 'Exp', 'Log', 'Sqrt', 'Neg', 'Abs', 'Reciprocal', 'Sign'],
  ...['Floor', 'Ceil', 'Round', 'Not', 'Cast', 'Softmax', 'LogSoftmax', 'Transpose', 'Concat'],
  ...['Split', 'Slice', 'Pad', 'Tile', 'Resize', 'Upsample', 'GatherElements', 'ScatterElements'],
  ...['ScatterND', 'TopK', 'CumSum', 'Trilu', 'DepthToSpace', 'SpaceToDepth'],
  ...['GroupNormalization', 'RMSNormalization', 'LpNormalization', 'LpPool', 'GlobalLpPool'],
  ...['Celu', 'HardSwish', 'Mish', 'Softsign', 'ThresholdedRelu', 'Sin', 'Cos', 'IsNaN', 'IsInf'],
]);

/** Fused ops of com.microsoft whose first output has the rank and element type of their first input. */
export const FUSED: ReadonlySet<string> = new Set([
  ...['Gelu', 'BiasGelu', 'FastGelu', 'QuickGelu', 'FusedConv', 'MultiHeadAttention', 'Attention'],
  ...['SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'],
]);

/** Those of them whose fourth output is a sum that goes on. */
export const SUMS: ReadonlySet<string> = new Set([
  'SkipLayerNormalization',
  'SkipSimplifiedLayerNormalization',
]);

/** Fused products of com.microsoft, with the op whose rank they have. */
export const FUSED_PRODUCTS: ReadonlyMap<string, string> = new Map([
  ['FusedMatMul', 'MatMul'],
  ['TransposeMatMul', 'MatMul'],
  ['FusedGemm', 'Gemm'],
]);

/** Ops whose inputs are broadcast against each other. */
const BROADCAST: ReadonlySet<string> = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Mod', 'Sum', 'Mean', 'Max', 'Min', 'Where'],
  ...['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal', 'And', 'Or', 'Xor'],
]);

/** The known ranks; a value that is absent has an unknown one. */
export function knownRanks(graph: Graph): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  /** Of vectors, which may be shapes. */
  const lengths = new Map<string, number>();
  for (const [name, { shape }] of graph.initializers) {
    ranks.set(name, shape.length);
    if (shape.length === 1) lengths.set(name, shape[0] ?? 0);
  }
  for (const { name, shape } of [...graph.inputs, ...graph.outputs])
    if (shape !== undefined) ranks.set(name, shape.length);
  for (const node of graph.nodes) {
    if (node.domain === 'com.microsoft' && FUSED.has(node.op)) {
      const rank = ranks.get(node.inputs[0] ?? '');
      for (const to of [node.outputs[0] ?? '', SUMS.has(node.op) ? (node.outputs[3] ?? '') : ''])
        if (rank !== undefined && to !== '' && !ranks.has(to)) ranks.set(to, rank);
      continue;
    }
    const product = node.domain === 'com.microsoft' ? FUSED_PRODUCTS.get(node.op) : undefined;
    if (node.domain !== '' && product === undefined) continue;
    const rank = rankOf(product === undefined ? node : { ...node, op: product }, ranks, lengths);
    const length = product === undefined ? lengthFrom(node, graph, ranks, lengths) : undefined;
    if (length !== undefined) lengths.set(node.outputs[0] ?? '', length);
    if (rank === undefined) continue;
    for (const output of node.outputs)
      if (output !== '' && !ranks.has(output)) ranks.set(output, rank);
  }
  return ranks;
}

function rankOf(
  node: Node,
  ranks: ReadonlyMap<string, number>,
  lengths: ReadonlyMap<string, number>,
): number | undefined {
  const lengthOf = (value: string | undefined) => lengths.get(value ?? '');
  const inputs = node.inputs.map((input) => ranks.get(input));
  const [first, second] = inputs;
  if (SAME_RANK.has(node.op)) return first;
  if (BROADCAST.has(node.op)) return widest(inputs);
  switch (node.op) {
    case 'Gemm':
    case 'Flatten':
      return 2;
    case 'Shape':
      return 1;
    case 'Size':
      return 0;
    case 'MatMul':
      return first !== undefined && second !== undefined && first > 1 && second > 1
        ? widest(inputs)
        : undefined;
    case 'Gather':
      return first === undefined || second === undefined ? undefined : first + second - 1;
    case 'Reshape':
      return lengthOf(node.inputs[1]);
    case 'ConstantOfShape':
      return lengthOf(node.inputs[0]);
    case 'Squeeze':
    case 'Unsqueeze': {
      const count = intsAttribute(node, 'axes')?.length ?? lengthOf(node.inputs[1]);
      if (first === undefined || count === undefined) return undefined;
      return node.op === 'Squeeze' ? first - count : first + count;
    }
    case 'ReduceSum':
    case 'ReduceMean':
    case 'ReduceMax':
    case 'ReduceMin':
    case 'ReduceL1':
    case 'ReduceL2':
    case 'ReduceProd':
    case 'ReduceSumSquare':
    case 'ReduceLogSum':
    case 'ReduceLogSumExp': {
      if (intAttribute(node, 'keepdims', 1) !== 0) return first;
      const count = intsAttribute(node, 'axes')?.length ?? lengthOf(node.inputs[1]);
      return first === undefined || count === undefined ? undefined : first - count;
    }
    default:
      return undefined;
  }
}

function widest(ranks: readonly (number | undefined)[]): number | undefined {
  let most = 0;
  for (const rank of ranks) {
    if (rank === undefined) return undefined;
    most = Math.max(most, rank);
  }
  return most;
}
