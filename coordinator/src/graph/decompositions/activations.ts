// Activations of newer opsets and of ONNX Runtime's domain: Swish, Gelu with biases, the quick one.
import { floatAttribute, string } from '../attributes.js';
import { composed, type Decomposition, type NodeWriter } from './node-writer.js';

const TANH = { approximate: string('tanh') };

/** x sigmoid(alpha x). */
function swish(w: NodeWriter, alpha: number): void {
  const x = w.required(0);
  const scaled = alpha === 1 ? x : w.emit('Mul', [x, w.number(alpha)]);
  w.result('Mul', [x, w.emit('Sigmoid', [scaled])]);
}

/** Input 0, input 1 added where it is there. */
function biased(w: NodeWriter): string {
  return w.input(1) === '' ? w.required(0) : w.emit('Add', [w.required(0), w.input(1)]);
}

/** Activations of the standard domain, by op. */
export const STANDARD_ACTIVATIONS: readonly (readonly [string, Decomposition])[] = [
  ['Swish', composed((w, node) => swish(w, floatAttribute(node, 'alpha', 1)))],
];

/** Activations of com.microsoft, by op. */
export const RUNTIME_ACTIVATIONS: readonly (readonly [string, Decomposition])[] = [
  ['Gelu', composed((w) => w.result('Gelu', [w.required(0)]))],
  ['BiasGelu', composed((w) => w.result('Gelu', [biased(w)]))],
  ['FastGelu', composed((w) => w.result('Gelu', [biased(w)], TANH))],
  ['QuickGelu', composed((w, node) => swish(w, floatAttribute(node, 'alpha', 1.702)))],
];
