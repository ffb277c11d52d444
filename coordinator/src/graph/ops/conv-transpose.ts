// ConvTranspose in 1, 2 and 3 dimensions: the transpose of a Conv with respect to its input.
import { int, ints, string } from '../attributes.js';
import { transposedWindowGeometry } from '../transposed-window.js';
import { at } from '../window.js';
import { biasCotangent, kernelCotangent, windowAttributes } from './convolution.js';
import type { OpExample, OpRule, Vjp } from './op-rule.js';

const vjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const { node, build, columns, type } = context;
  const [x = '', weight = ''] = node.inputs;
  const input = type(x).shape;
  const output = type(node.outputs[0] ?? '').shape;
  const [batch, channels, produced] = [at(input, 0), at(input, 1), at(output, 1)];
  const [from, to] = [output.slice(2), input.slice(2)];
  const geometry = transposedWindowGeometry(node, to, from, type(weight).shape.slice(2));
  const inputCotangent = (): string => {
    const rows = build.reshape(g, [columns * batch, produced, ...from]);
    const pulled = build.emit('Conv', [rows, weight], windowAttributes(geometry));
    return build.reshape(pulled, [columns, ...input]);
  };
  return [
    context.wants(0) ? inputCotangent() : undefined,
    context.wants(1)
      ? kernelCotangent(
          build,
          { value: g, columns, channels: produced, spatial: from },
          { value: x, columns: 1, channels, spatial: to },
          batch,
          geometry,
        )
      : undefined,
    context.wants(2) ? biasCotangent(build, g, from.length) : undefined,
  ];
};

function example(
  name: string,
  attributes: OpExample['attributes'] & object,
  ...shapes: readonly (readonly number[])[]
): OpExample {
  return {
    name,
    attributes,
    inputs: shapes.map((shape) => ({ shape, dtype: 'float32' as const })),
  };
}

export const convTranspose: OpRule = {
  op: 'ConvTranspose',
  vjp,
  linearity: (_node, [x, weight]) => (x === true && weight === true ? 'smooth' : 'linear'),
  examples: [
    example('plain', {}, [2, 2, 4, 3], [2, 3, 3, 2], [3]),
    example(
      'strides, pads and output padding',
      { strides: ints([2, 3]), pads: ints([1, 0, 0, 1]), output_padding: ints([1, 2]) },
      [2, 2, 3, 3],
      [2, 3, 3, 4],
      [3],
    ),
    example(
      'dilations',
      { dilations: ints([2]), strides: ints([3]), output_padding: ints([1]) },
      [2, 2, 4],
      [2, 2, 3],
    ),
    example('groups', { group: int(2), strides: ints([2]) }, [3, 4, 4], [4, 3, 3], [6]),
    example('depthwise', { group: int(3) }, [2, 3, 3, 3], [3, 1, 2, 2]),
    example('3 dimensions', { strides: ints([2, 1, 2]) }, [2, 2, 2, 2, 2], [2, 2, 2, 2, 3]),
    example(
      'SAME_UPPER',
      { auto_pad: string('SAME_UPPER'), strides: ints([2]) },
      [2, 2, 4],
      [2, 2, 3],
    ),
    example(
      'SAME_LOWER',
      { auto_pad: string('SAME_LOWER'), strides: ints([2]) },
      [2, 2, 4],
      [2, 2, 3],
    ),
    example('VALID', { auto_pad: string('VALID'), strides: ints([2]) }, [2, 2, 4], [2, 2, 3]),
    example('output shape', { output_shape: ints([6]), strides: ints([2]) }, [2, 2, 3], [2, 2, 3]),
  ],
};
