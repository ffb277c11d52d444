// Writes out batch normalisations that standardise constants: weights of convolutions, in some networks.
import { floatAttribute, int, intAttribute } from '../attributes.js';
import { reads } from '../bodies.js';
import { FreshNames, nodeNames, valueNames } from '../fresh-names.js';
import { type Attributes, consumers, type Graph, type Node, type Tensor } from '../graph.js';
import { floatTensor, intTensor } from '../tensor.js';
import { CANONICAL_OPSET } from './upgrade.js';

/** The least opset whose BatchNormalization says itself whether it trains. */
const TRAINING_MODE = 14;

/**
 * Networks with standardised weights call F.batch_norm(weight, training=True), which the TorchScript exporter writes
 * as BatchNormalization in training mode. Of what depends on no input it is as good as any other function: mean and
 * variance are spelt out. Training mode anywhere else is left to `upgrade`, which refuses it.
 */
export function standardiseWeights(graph: Graph): Graph {
  if (graph.opset < TRAINING_MODE) return graph;
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const isUnused = (value: string) => !readers.has(value) && !outputs.has(value);
  const constant = new Set(graph.initializers.keys());
  const initializers = new Map(graph.initializers);
  const names = new FreshNames([...valueNames(graph), ...nodeNames(graph)]);
  const nodes = graph.nodes.flatMap((node) => {
    if (!reads(node).every((value) => constant.has(value))) return [node];
    for (const output of node.outputs) constant.add(output);
    const trains =
      node.domain === '' &&
      node.op === 'BatchNormalization' &&
      intAttribute(node, 'training_mode', 0) === 1;
    return trains && node.outputs.slice(1).every(isUnused)
      ? standardised(node, names, initializers)
      : [node];
  });
  return { ...graph, nodes, initializers };
}

/** (x - mean) / sqrt(variance + epsilon) * scale + bias, along all axes of x [N, C, ...] but the second. */
function standardised(
  node: Node,
  names: FreshNames,
  initializers: Map<string, Tensor>,
): readonly Node[] {
  const [x = '', scale = '', bias = ''] = node.inputs;
  const nodes: Node[] = [];
  const push = (op: string, inputs: readonly string[], output: string, attributes: Attributes) => {
    const { metadata } = node;
    nodes.push({
      ...{ name: output, op, domain: '', inputs, outputs: [output], attributes, metadata },
      opset: CANONICAL_OPSET,
    });
    return output;
  };
  const emit = (op: string, inputs: readonly string[], attributes: Attributes = {}) =>
    push(op, inputs, names.take(`kl_${node.name}_${op}`), attributes);
  const hold = (tensor: Tensor) => {
    const name = names.take('kl_constant');
    initializers.set(name, tensor);
    return name;
  };
  const rows = hold(intTensor([1, -1, 1]));
  const axes = hold(intTensor([0, 2]));
  const flat = emit('Reshape', [x, hold(intTensor([0, 0, -1]))]);
  const mean = (value: string) => emit('ReduceMean', [value, axes], { keepdims: int(1) });
  const centred = emit('Sub', [flat, mean(flat)]);
  const variance = mean(emit('Mul', [centred, centred]));
  const epsilon = hold(floatTensor([floatAttribute(node, 'epsilon', 1e-5)], []));
  const deviation = emit('Sqrt', [emit('Add', [variance, epsilon])]);
  const scaled = emit('Mul', [emit('Div', [centred, deviation]), emit('Reshape', [scale, rows])]);
  const shifted = emit('Add', [scaled, emit('Reshape', [bias, rows])]);
  push('Reshape', [shifted, emit('Shape', [x])], node.outputs[0] ?? '', {});
  return nodes;
}
