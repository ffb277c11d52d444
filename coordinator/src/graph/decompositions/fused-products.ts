// Products that ONNX Runtime's optimiser has fused with transpositions, scales and activations.
import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  ints,
  stringAttribute,
  without,
} from '../attributes.js';
import type { Attributes, Node } from '../graph.js';
import { composed, type Decomposition, type NodeWriter, NotRewritten } from './node-writer.js';

/** alpha A' B'; a prime is an optional transposition, of the matrices or with the stack in front. */
const fusedMatMul = composed((w, node) => {
  const alpha = floatAttribute(node, 'alpha', 1);
  const operands = [operand(w, node, 0, 'A'), operand(w, node, 1, 'B')];
  if (alpha === 1) {
    w.result('MatMul', operands);
    return;
  }
  w.result('Mul', [w.emit('MatMul', operands), w.number(alpha)]);
});

function operand(w: NodeWriter, node: Node, index: 0 | 1, letter: 'A' | 'B'): string {
  const value = w.required(index);
  const matrix = intAttribute(node, `trans${letter}`, 0) !== 0;
  const stack = intAttribute(node, `transBatch${letter}`, 0) !== 0;
  if (!matrix && !stack) return value;
  const rank = w.rank(value);
  if (rank === undefined) throw new NotRewritten();
  if (rank < 2) return value;
  let axes = Array.from({ length: rank }, (_, axis) => axis);
  // [m, ...stack, k] is [...stack, m, k] with the first axis moved behind the stack.
  if (stack) axes = [...axes.slice(1, -1), 0, rank - 1];
  if (matrix) axes = [...axes.slice(0, -2), axes.at(-1) ?? 0, axes.at(-2) ?? 0];
  return w.emit('Transpose', [value], { perm: ints(axes) });
}

/** The op that a fused activation stands for, with its attributes. */
function activation(w: NodeWriter, value: string, name: string, parameters: Attributes): void {
  if (name === '') w.result('Identity', [value]);
  else if (name === 'Clip') {
    const [low, high] = floatsAttribute({ ...w.node, attributes: parameters }, 'params') ?? [];
    w.result('Clip', [value, bound(w, low), bound(w, high)]);
  } else w.result(name, [value], without(parameters, 'params'));
}

const bound = (w: NodeWriter, value: number | undefined): string =>
  value === undefined ? '' : w.number(value);

/** Conv, plus a fourth input, then an activation. */
const fusedConv = composed((w, node) => {
  const name = stringAttribute(node, 'activation', '');
  const parameters = floatsAttribute(node, 'activation_params') ?? [];
  const attributes = without(node.attributes, 'activation', 'activation_params');
  let value = w.emit('Conv', node.inputs.slice(0, 3), attributes);
  if (w.input(3) !== '') value = w.emit('Add', [value, w.input(3)]);
  activation(w, value, name, activationAttributes(name, parameters));
});

/** Gemm, then an activation. */
const fusedGemm = composed((w, node) => {
  const name = stringAttribute(node, 'activation', '');
  const given = ['activation', 'activation_alpha', 'activation_beta', 'activation_gamma'];
  const value = w.emit('Gemm', node.inputs, without(node.attributes, ...given));
  const alpha = node.attributes.activation_alpha;
  const beta = node.attributes.activation_beta;
  activation(w, value, name, {
    ...(alpha === undefined ? {} : { alpha }),
    ...(beta === undefined ? {} : { beta }),
  });
});

/** FusedConv lists an activation's parameters without their names. */
function activationAttributes(name: string, parameters: readonly number[]): Attributes {
  if (name === 'Clip') return { params: { kind: 'floats', value: parameters } };
  const names = name === 'HardSigmoid' ? ['alpha', 'beta'] : ['alpha'];
  return Object.fromEntries(
    parameters
      .slice(0, names.length)
      .map((value, index) => [names[index] ?? '', { kind: 'float', value }] as const),
  );
}

/** Products of com.microsoft, by op. */
export const RUNTIME_PRODUCTS: readonly (readonly [string, Decomposition])[] = [
  ['FusedMatMul', fusedMatMul],
  ['TransposeMatMul', fusedMatMul],
  ['FusedConv', fusedConv],
  ['FusedGemm', fusedGemm],
];
