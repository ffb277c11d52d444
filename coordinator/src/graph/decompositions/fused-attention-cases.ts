// Small nodes of ONNX Runtime's own attentions.
import { float, int, ints } from '../attributes.js';
import { elementCount, type Tensor } from '../graph.js';
import { floatTensor, intTensor } from '../tensor.js';
import type { CompositeCase } from './composite-cases.js';

const wave = (...shape: number[]): Tensor =>
  floatTensor(
    Array.from({ length: elementCount(shape) }, (_, i) => 0.4 * Math.cos(1.1 * i + shape.length)),
    shape,
  );
const keys = intTensor([1, 1, 0, 1, 0, 1, 1, 1], [2, 4], 'int32');
const heads = { num_heads: int(2) };

export const FUSED_ATTENTION_CASES: readonly CompositeCase[] = [
  {
    op: 'com.microsoft/MultiHeadAttention',
    attributes: heads,
    inputs: [
      [2, 3, 8],
      [2, 4, 8],
      [2, 4, 6],
    ],
  },
  {
    op: 'com.microsoft/MultiHeadAttention',
    what: 'a bias, masked keys, biased scores, a scale',
    attributes: { ...heads, scale: float(0.3), mask_filter_value: float(-50) },
    inputs: [[2, 3, 8], [2, 4, 8], [2, 4, 8], wave(24), keys, wave(1, 2, 3, 4)],
  },
  {
    op: 'com.microsoft/MultiHeadAttention',
    what: 'causal',
    attributes: { ...heads, unidirectional: int(1) },
    inputs: [
      [2, 4, 8],
      [2, 4, 8],
      [2, 4, 8],
    ],
  },
  {
    op: 'com.microsoft/Attention',
    what: 'masked keys',
    attributes: heads,
    inputs: [[2, 4, 6], wave(6, 24), wave(24), keys],
  },
  {
    op: 'com.microsoft/Attention',
    what: 'causal, values of another width',
    attributes: { ...heads, unidirectional: int(1), qkv_hidden_sizes: ints([8, 8, 4]) },
    inputs: [[2, 3, 6], wave(6, 20), wave(20)],
  },
];
