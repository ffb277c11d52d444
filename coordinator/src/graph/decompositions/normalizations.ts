// Normalisations as means, roots and products: RMSNormalization, GroupNormalization, norms, and ONNX Runtime's own.
import { float, floatAttribute, int, intAttribute, intsAttribute } from '../attributes.js';
import { floatTensor } from '../tensor.js';
import { composed, type Decomposition, type NodeWriter } from './node-writer.js';

const KEPT = { keepdims: int(1) };

/** An int64 vector of the axes from `first` to the last one of `value`. */
function axesFrom(w: NodeWriter, value: string, first: number): string {
  if (first < 0) return w.ints(...Array.from({ length: -first }, (_, index) => first + index));
  const rank = w.rank(value);
  if (rank !== undefined)
    return w.ints(...Array.from({ length: Math.max(0, rank - first) }, (_, i) => first + i));
  const size = w.emit('Size', [w.emit('Shape', [value])]);
  return w.emit('Range', [w.integer(first), size, w.integer(1)]);
}

/** x / sqrt(mean(x^2) + epsilon), means over the given axes; and the reciprocal of the root. */
function rootMeanSquare(w: NodeWriter, x: string, axes: string, epsilon: number) {
  const mean = w.emit('ReduceMean', [w.emit('Mul', [x, x]), axes], KEPT);
  const root = w.emit('Sqrt', [w.emit('Add', [mean, w.number(epsilon)])]);
  const inverse = w.emit('Reciprocal', [root]);
  return { value: w.emit('Mul', [x, inverse]), inverse };
}

const rmsNormalization = composed((w, node) => {
  const x = w.required(0);
  const axes = axesFrom(w, x, intAttribute(node, 'axis', -1));
  const { value } = rootMeanSquare(w, x, axes, floatAttribute(node, 'epsilon', 1e-5));
  w.result('Mul', [value, w.required(1)]);
});

/** ONNX Runtime's RMSNormalization, whose second output is the reciprocal root. */
const simplifiedLayerNormalization = composed((w, node) => {
  const x = w.required(0);
  const axes = axesFrom(w, x, intAttribute(node, 'axis', -1));
  const { value, inverse } = rootMeanSquare(w, x, axes, floatAttribute(node, 'epsilon', 1e-5));
  w.result('Mul', [value, w.required(1)]);
  w.result('Identity', [inverse], {}, 1);
});

/** The sum of input, skip and bias, which is the last output too; the bias is that of the layer that makes the input. */
function skipSum(w: NodeWriter, bias: number): string {
  const [input, skip] = [w.required(0), w.required(1)];
  const biased = w.input(bias) === '' ? input : w.emit('Add', [input, w.input(bias)]);
  return w.emit('Add', [biased, skip]);
}

const skipLayerNormalization = composed((w, node) => {
  const sum = skipSum(w, 4);
  const beta = w.input(3);
  const inputs = [sum, w.required(2), ...(beta === '' ? [] : [beta])];
  const attributes = { axis: int(-1), epsilon: float(floatAttribute(node, 'epsilon', 1e-12)) };
  w.result('LayerNormalization', inputs, attributes);
  w.result('Identity', [sum], {}, 3);
});

const skipSimplifiedLayerNormalization = composed((w, node) => {
  const sum = skipSum(w, 3);
  const epsilon = floatAttribute(node, 'epsilon', 1e-12);
  const { value } = rootMeanSquare(w, sum, w.ints(-1), epsilon);
  w.result('Mul', [value, w.required(2)]);
  w.result('Identity', [sum], {}, 3);
});

/** Each group is one channel of an InstanceNormalization; before opset 21 it has its own scale. */
const groupNormalization = composed((w, node) => {
  const [x, scale, bias] = [w.required(0), w.required(1), w.required(2)];
  const groups = intAttribute(node, 'num_groups', 1);
  const epsilon = { epsilon: float(floatAttribute(node, 'epsilon', 1e-5)) };
  const perGroup = w.opset < 21;
  const plain = (value: number) =>
    w.constant(floatTensor(Array<number>(groups).fill(value), [groups]));
  const affine = perGroup ? [scale, bias] : [plain(1), plain(0)];
  const grouped = w.reshape(x, 0, groups, -1);
  const normalised = w.emit('InstanceNormalization', [grouped, ...affine], epsilon);
  const shape = w.emit('Shape', [x]);
  if (perGroup) {
    w.result('Reshape', [normalised, shape]);
    return;
  }
  const spatial = axesFrom(w, x, 2);
  const onAxes = (parameter: string) => {
    // [C] to [C, 1, ...]: the axes behind the batch's, one less in the parameter.
    const axes = w.emit('Sub', [spatial, w.integer(1)]);
    return w.emit('Unsqueeze', [parameter, axes]);
  };
  const back = w.emit('Reshape', [normalised, shape]);
  w.result('Add', [w.emit('Mul', [back, onAxes(scale)]), onAxes(bias)]);
});

/** x / |x|, 0 where all of x is 0. */
const lpNormalization = composed((w, node) => {
  const x = w.required(0);
  const norm = intAttribute(node, 'p', 2) === 1 ? 'ReduceL1' : 'ReduceL2';
  const length = w.emit(norm, [x, w.ints(intAttribute(node, 'axis', -1))], KEPT);
  const none = w.emit('Equal', [length, w.number(0)]);
  w.result('Div', [x, w.emit('Where', [none, w.number(1), length])]);
});

const meanVarianceNormalization = composed((w, node) => {
  const x = w.required(0);
  const axes = w.ints(...(intsAttribute(node, 'axes') ?? [0, 2, 3]));
  const centred = w.emit('Sub', [x, w.emit('ReduceMean', [x, axes], KEPT)]);
  const variance = w.emit('ReduceMean', [w.emit('Mul', [centred, centred]), axes], KEPT);
  const deviation = w.emit('Add', [w.emit('Sqrt', [variance]), w.number(1e-9)]);
  w.result('Div', [centred, deviation]);
});

/** Pools |x|^p over windows of which AveragePool with padding knows the mean. */
const lpPool = composed((w, node) => {
  const { p: _, ...window } = node.attributes;
  const p = intAttribute(node, 'p', 2);
  const size = (intsAttribute(node, 'kernel_shape') ?? []).reduce((product, k) => product * k, 1);
  const mean = w.emit('AveragePool', [power(w, w.required(0), p)], {
    ...window,
    count_include_pad: int(1),
  });
  root(w, w.emit('Mul', [mean, w.number(size)]), p);
});

const globalLpPool = composed((w, node) => {
  const x = w.required(0);
  const p = intAttribute(node, 'p', 2);
  const axes = axesFrom(w, x, 2);
  if (p === 1 || p === 2) w.result(p === 1 ? 'ReduceL1' : 'ReduceL2', [x, axes], KEPT);
  else root(w, w.emit('ReduceSum', [power(w, x, p), axes], KEPT), p);
});

function power(w: NodeWriter, x: string, p: number): string {
  if (p === 2) return w.emit('Mul', [x, x]);
  const magnitude = w.emit('Abs', [x]);
  return p === 1 ? magnitude : w.emit('Pow', [magnitude, w.number(p)]);
}

function root(w: NodeWriter, x: string, p: number): void {
  if (p === 2) w.result('Sqrt', [x]);
  else w.result('Pow', [x, w.number(1 / p)]);
}

/** Normalisations of the standard domain, by op. */
export const STANDARD_NORMALIZATIONS: readonly (readonly [string, Decomposition])[] = [
  ['RMSNormalization', rmsNormalization],
  ['SimplifiedLayerNormalization', simplifiedLayerNormalization],
  ['GroupNormalization', groupNormalization],
  ['LpNormalization', lpNormalization],
  ['MeanVarianceNormalization', meanVarianceNormalization],
  ['LpPool', lpPool],
  ['GlobalLpPool', globalLpPool],
];

/** Normalisations of com.microsoft, by op. */
export const RUNTIME_NORMALIZATIONS: readonly (readonly [string, Decomposition])[] = [
  ['SkipLayerNormalization', skipLayerNormalization],
  ['SkipSimplifiedLayerNormalization', skipSimplifiedLayerNormalization],
];
