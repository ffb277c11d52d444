// Small nodes of composite ops, for the test that compares them with what they are rewritten into.
import { float, int, ints, string } from '../attributes.js';
import { type Attributes, elementCount, type Graph, type Node, type Tensor } from '../graph.js';
import { floatTensor } from '../tensor.js';

export interface CompositeCase {
  /** `op`, or `domain/op`. */
  readonly op: string;
  readonly opset?: number;
  readonly what?: string;
  readonly attributes?: Attributes;
  /** A shape is a float32 input that varies; a tensor is an initializer. */
  readonly inputs: readonly (readonly number[] | Tensor | undefined)[];
  /** Whether the node has an output at each place; default one. */
  readonly outputs?: readonly boolean[];
}

const tokens = [2, 3, 8] as const;
const ramp = (...shape: number[]): Tensor =>
  floatTensor(
    Array.from({ length: elementCount(shape) }, (_, i) => 0.5 + Math.cos(1.3 * i)),
    shape,
  );
const MS = 'com.microsoft';
const mask = {
  dtype: 'bool',
  shape: [3, 4],
  bytes: Uint8Array.from([1, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1]),
} as const;

const withoutFirstRow = Uint8Array.from([0, 0, 0, 0, ...mask.bytes.subarray(4)]);

export const COMPOSITE_CASES: readonly CompositeCase[] = [
  { op: 'RMSNormalization', opset: 23, inputs: [tokens, ramp(8)] },
  {
    op: 'RMSNormalization',
    opset: 23,
    what: 'two axes',
    attributes: { axis: int(1), epsilon: float(0.1) },
    inputs: [tokens, ramp(3, 8)],
  },
  {
    op: 'SimplifiedLayerNormalization',
    attributes: { axis: int(-1), epsilon: float(1e-3) },
    inputs: [tokens, ramp(8)],
  },
  {
    op: 'GroupNormalization',
    opset: 21,
    attributes: { num_groups: int(2), epsilon: float(0.01) },
    inputs: [[2, 6, 3, 2], ramp(6), ramp(6)],
  },
  {
    op: 'GroupNormalization',
    opset: 18,
    what: 'scales per group',
    attributes: { num_groups: int(3) },
    inputs: [[2, 6, 4], ramp(3), ramp(3)],
  },
  { op: 'LpNormalization', inputs: [tokens] },
  {
    op: 'LpNormalization',
    what: 'p = 1',
    attributes: { p: int(1), axis: int(1) },
    inputs: [tokens],
  },
  { op: 'MeanVarianceNormalization', inputs: [[2, 3, 2, 2]] },
  {
    op: 'LpPool',
    attributes: { kernel_shape: ints([2, 3]), strides: ints([2, 1]), pads: ints([0, 1, 0, 1]) },
    inputs: [[1, 2, 4, 5]],
  },
  {
    op: 'LpPool',
    what: 'p = 3',
    attributes: { kernel_shape: ints([2]), p: int(3) },
    inputs: [[1, 2, 5]],
  },
  { op: 'GlobalLpPool', inputs: [[2, 3, 2, 2]] },
  { op: 'GlobalLpPool', what: 'p = 3', attributes: { p: int(3) }, inputs: [[2, 3, 4]] },
  { op: 'Swish', opset: 24, attributes: { alpha: float(1.5) }, inputs: [tokens] },
  {
    op: 'Attention',
    opset: 23,
    inputs: [
      [2, 4, 3, 5],
      [2, 4, 6, 5],
      [2, 4, 6, 7],
    ],
  },
  {
    op: 'Attention',
    opset: 23,
    what: 'three axes, grouped heads, causal, softcap',
    attributes: {
      q_num_heads: int(4),
      kv_num_heads: int(2),
      is_causal: int(1),
      softcap: float(0.7),
      scale: float(0.3),
    },
    inputs: [
      [2, 3, 8],
      [2, 3, 4],
      [2, 3, 6],
    ],
  },
  {
    op: 'Attention',
    opset: 23,
    what: 'boolean mask',
    inputs: [[2, 2, 3, 4], [2, 2, 4, 4], [2, 2, 4, 4], mask],
  },
  {
    op: 'Attention',
    opset: 23,
    what: 'a query without keys',
    inputs: [[2, 2, 3, 4], [2, 2, 4, 4], [2, 2, 4, 4], { ...mask, bytes: withoutFirstRow }],
  },
  {
    op: 'Attention',
    opset: 23,
    what: 'mask of numbers, earlier tokens',
    attributes: { is_causal: int(1) },
    inputs: [[2, 4, 2, 4], [2, 2, 2, 4], [2, 2, 2, 4], ramp(2, 5), [2, 2, 3, 4], [2, 2, 3, 4]],
    outputs: [true, true, true],
  },
  { op: 'RotaryEmbedding', opset: 23, inputs: [[2, 3, 4, 6], ramp(2, 4, 3), ramp(2, 4, 3)] },
  {
    op: 'RotaryEmbedding',
    opset: 23,
    what: 'three axes, interleaved, some features, positions',
    attributes: { num_heads: int(2), interleaved: int(1), rotary_embedding_dim: int(4) },
    inputs: [
      [2, 3, 12],
      ramp(5, 2),
      ramp(5, 2),
      {
        dtype: 'int64',
        shape: [2, 3],
        bytes: new Uint8Array(BigInt64Array.from([0n, 1n, 2n, 4n, 3n, 1n]).buffer),
      },
    ],
  },
  ...(
    [
      ['a linear layer', 'btd,od->bto', [tokens, ramp(5, 8)]],
      ['a weight of three axes on the left', 'dhk,btd->bthk', [ramp(8, 2, 3), tokens]],
      ['heads back to features', 'bthk,hko->bto', [[2, 3, 2, 4], ramp(2, 4, 5)]],
      [
        'scores of heads',
        'bqhd,bkhd->bhqk',
        [
          [2, 3, 4, 5],
          [2, 6, 4, 5],
        ],
      ],
      ['outer product, implicit', 'i,j', [[3], [4]]],
      ['inner product', 'i,i->', [[5], [5]]],
      ['everything summed', 'ij->', [[3, 4]]],
      ['transposed', 'b...i->...ib', [[2, 3, 4]]],
      [
        'broadcast ellipsis',
        '...ij,...jk->...ik',
        [
          [2, 1, 3, 4],
          [2, 5, 4, 2],
        ],
      ],
      [
        'elementwise with a sum',
        'bij,bij->bi',
        [
          [2, 3, 4],
          [2, 3, 4],
        ],
      ],
      ['three operands', 'bi,ij,bj->b', [[2, 3], ramp(3, 4), [2, 4]]],
      ['trace', 'bii->b', [[2, 3, 3]]],
      [
        'diagonals, one of three axes',
        'ibiji,bj->ij',
        [
          [2, 3, 2, 4, 2],
          [3, 4],
        ],
      ],
      [
        'several rows and columns in a stack',
        'abxyc,bdcz->abdxyz',
        [
          [2, 3, 2, 2, 4],
          [3, 5, 4, 2],
        ],
      ],
    ] as const
  ).map(
    ([what, equation, inputs]): CompositeCase => ({
      op: 'Einsum',
      what,
      attributes: { equation: string(equation) },
      inputs,
    }),
  ),
  {
    op: 'Compress',
    attributes: { axis: int(1) },
    inputs: [tokens, { dtype: 'bool', shape: [3], bytes: Uint8Array.of(1, 0, 1) }],
  },
  {
    op: 'Compress',
    what: 'elements, a short condition',
    inputs: [[2, 3], { dtype: 'bool', shape: [4], bytes: Uint8Array.of(0, 1, 0, 1) }],
  },
  { op: `${MS}/Gelu`, inputs: [tokens] },
  { op: `${MS}/BiasGelu`, inputs: [tokens, ramp(8)] },
  { op: `${MS}/FastGelu`, inputs: [tokens, ramp(8)] },
  { op: `${MS}/FastGelu`, what: 'without bias', inputs: [tokens] },
  { op: `${MS}/QuickGelu`, attributes: { alpha: float(1.5) }, inputs: [tokens] },
  {
    op: `${MS}/SkipLayerNormalization`,
    attributes: { epsilon: float(1e-3) },
    inputs: [tokens, tokens, ramp(8), ramp(8), ramp(8)],
    outputs: [true, false, false, true],
  },
  {
    op: `${MS}/SkipSimplifiedLayerNormalization`,
    inputs: [tokens, tokens, ramp(8), undefined],
    outputs: [true, false, false, true],
  },
  {
    op: `${MS}/FusedMatMul`,
    attributes: { transA: int(1), transB: int(1), alpha: float(0.5) },
    inputs: [
      [2, 4, 3],
      [2, 5, 4],
    ],
  },
  {
    op: `${MS}/FusedMatMul`,
    what: 'stack in the middle',
    attributes: { transBatchA: int(1), transBatchB: int(1) },
    inputs: [
      [3, 2, 4],
      [4, 2, 5],
    ],
  },
  { op: `${MS}/TransposeMatMul`, attributes: { transB: int(1) }, inputs: [[3, 4], ramp(5, 4)] },
  {
    op: `${MS}/FusedGemm`,
    attributes: { transB: int(1), activation: string('LeakyRelu'), activation_alpha: float(0.2) },
    inputs: [[3, 4], ramp(5, 4), ramp(5)],
  },
  {
    op: `${MS}/FusedConv`,
    attributes: {
      kernel_shape: ints([2, 2]),
      activation: string('Clip'),
      activation_params: { kind: 'floats', value: [-0.25, 0.5] },
    },
    inputs: [[1, 2, 3, 4], ramp(3, 2, 2, 2), ramp(3)],
  },
  {
    op: `${MS}/FusedConv`,
    what: 'a sum and Relu',
    attributes: { activation: string('Relu') },
    inputs: [[1, 2, 3], ramp(3, 2, 2), ramp(3), [1, 3, 2]],
  },
];

/** The graph that has the case's node alone. */
export function caseGraph({
  op,
  opset = 20,
  attributes = {},
  inputs,
  outputs = [true],
}: CompositeCase): Graph {
  const slash = op.lastIndexOf('/');
  const domain = op.slice(0, Math.max(0, slash));
  const names = inputs.map((given, index) => (given === undefined ? '' : `x${index}`));
  const made = outputs.map((present, index) => (present ? `y${index}` : ''));
  const node: Node = {
    name: 'composite',
    op: op.slice(slash + 1),
    domain,
    inputs: names,
    outputs: made,
    attributes,
    metadata: new Map(),
  };
  return {
    opset,
    irVersion: 10,
    inputs: inputs.flatMap((shape, index) =>
      shape === undefined || 'bytes' in shape
        ? []
        : [{ name: `x${index}`, dtype: 'float32' as const, shape }],
    ),
    outputs: made
      .filter((name) => name !== '')
      .map((name) => ({ name, dtype: 'float32', shape: undefined })),
    nodes: [node],
    initializers: new Map(
      inputs.flatMap((tensor, index) =>
        tensor !== undefined && 'bytes' in tensor ? [[`x${index}`, tensor] as const] : [],
      ),
    ),
    domains: domain === '' ? new Map() : new Map([[domain, 1]]),
  };
}

/** Irregular values for the inputs that vary. */
export function caseValues({ inputs }: CompositeCase): ReadonlyMap<string, Tensor> {
  return new Map(
    inputs.flatMap((shape, index) => {
      if (shape === undefined || 'bytes' in shape) return [];
      const values = Array.from({ length: elementCount(shape) }, (_, i) =>
        Math.sin(3.7 * i + 0.4 + index),
      );
      return [[`x${index}`, floatTensor(values, shape)] as const];
    }),
  );
}
