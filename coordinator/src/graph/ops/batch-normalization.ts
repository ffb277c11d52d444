// BatchNormalization with frozen statistics: Y = (X - mean) scale / sqrt(var + epsilon) + B, per channel.
import { floatAttribute, int, intAttribute } from '../attributes.js';
import { elementCount, type Tensor } from '../graph.js';
import { floatTensor, tensorNumbers } from '../tensor.js';
import { at } from '../window.js';
import { foldable } from './constant-tensor.js';
import { biasCotangent } from './convolution.js';
import { type OpRule, UnsupportedFormError, type Vjp, type VjpContext } from './op-rule.js';

/**
 * Maps of at most this many positions get their factor at every position: a broadcast over small
 * inner axes is slow (64 maps of 4 x 4: 0.21 ms per channel, 0.06 ms per position; even at 8 x 8).
 */
const SMALL_MAP = 32;

const vjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const { node, build, type } = context;
  if (context.wants(3) || context.wants(4))
    throw new UnsupportedFormError(node, 'its mean and variance depend on the data');
  const spatialRank = type(node.inputs[0] ?? '').shape.length - 2;
  return [
    context.wants(0) ? build.scaled(g, channelFactor(context)) : undefined,
    context.wants(1)
      ? biasCotangent(build, build.emit('Mul', [g, normalised(context)]), spatialRank)
      : undefined,
    context.wants(2) ? biasCotangent(build, g, spatialRank) : undefined,
  ];
};

/** scale / sqrt(var + epsilon), in a shape that broadcasts to [channels, ...spatial]. */
function channelFactor(context: VjpContext): string {
  const { node, build, type } = context;
  const [channels, ...spatial] = type(node.inputs[0] ?? '').shape.slice(1) as [number, ...number[]];
  const epsilon = floatAttribute(node, 'epsilon', 1e-5);
  const [scale, variance] = [foldable(context, 1), foldable(context, 4)];
  const perChannel = [channels, ...spatial.map(() => 1)];
  if (scale === undefined || variance === undefined) {
    const shifted = build.emit('Add', [
      node.inputs[4] ?? '',
      build.scalar(epsilon, dtype(context)),
    ]);
    const factor = build.emit('Div', [node.inputs[1] ?? '', build.emit('Sqrt', [shifted])]);
    return build.reshape(factor, perChannel);
  }
  const variances = tensorNumbers(variance);
  const factors = tensorNumbers(scale).map((s, c) => s / Math.sqrt(at(variances, c) + epsilon));
  const positions = elementCount(spatial);
  if (positions > SMALL_MAP)
    return build.constant(floatTensor(factors, perChannel, dtype(context)));
  const everywhere = factors.flatMap((factor) => Array<number>(positions).fill(factor));
  return build.constant(floatTensor(everywhere, [channels, ...spatial], dtype(context)));
}

/** (X - mean) / sqrt(var + epsilon), [batch, channels, ...spatial]. */
function normalised(context: VjpContext): string {
  const { node, build, type } = context;
  const channels = at(type(node.inputs[0] ?? '').shape, 1);
  const filled = (value: number): Tensor =>
    floatTensor(Array<number>(channels).fill(value), [channels], dtype(context));
  const [x = '', , , mean = '', variance = ''] = node.inputs;
  return build.emit(
    'BatchNormalization',
    [x, build.constant(filled(1)), build.constant(filled(0)), mean, variance],
    node.attributes,
  );
}

function dtype({ node, type }: VjpContext): 'float32' | 'float64' {
  return type(node.inputs[0] ?? '').dtype === 'float64' ? 'float64' : 'float32';
}

const statistics = (channels: number) =>
  [
    { shape: [channels] },
    { shape: [channels] },
    { shape: [channels], fixed: true },
    { shape: [channels], fixed: true, range: [0.5, 2] },
  ] as const;

const double = (...values: number[]): Tensor => floatTensor(values, [values.length], 'float64');

export const batchNormalization: OpRule = {
  op: 'BatchNormalization',
  vjp,
  linearity: (_node, [x, scale, , mean, variance]) =>
    variance === true || (scale === true && (x === true || mean === true)) ? 'smooth' : 'linear',
  upgrade: (node, opset) => {
    const training =
      opset >= 14
        ? intAttribute(node, 'training_mode', 0) !== 0
        : node.outputs.slice(1).some((output) => output !== '');
    if (training)
      throw new UnsupportedFormError(
        node,
        'it is in training mode; export the model in evaluation mode (model.eval())',
      );
    return [{ ...node, outputs: node.outputs.slice(0, 1) }];
  },
  examples: [
    { name: 'small maps', inputs: [{ shape: [2, 3, 2, 4] }, ...statistics(3)] },
    { name: 'large maps', inputs: [{ shape: [2, 2, 5, 7] }, ...statistics(2)] },
    {
      name: 'no spatial axes',
      attributes: { epsilon: { kind: 'float', value: 0.5 }, training_mode: int(0) },
      inputs: [{ shape: [4, 3] }, ...statistics(3)],
    },
    {
      name: 'all constant',
      inputs: [
        { shape: [2, 2, 3] },
        double(0.5, -2),
        double(1, 0),
        double(0.25, -1),
        double(0.5, 3),
      ],
    },
  ],
};
