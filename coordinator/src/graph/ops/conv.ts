// Conv in 1, 2 and 3 dimensions: strides, pads, auto_pad, dilations, groups.
import { int, ints, string } from '../attributes.js';
import { floatTensor } from '../tensor.js';
import { at, windowGeometry } from '../window.js';
import { foldable } from './constant-tensor.js';
import { biasCotangent, kernelCotangent, spread } from './convolution.js';
import type { OpExample, OpRule, Vjp } from './op-rule.js';

const vjp: Vjp = (context, [g]) => {
  if (g === undefined) return [];
  const { node, build, columns, type } = context;
  const [x = '', weight = ''] = node.inputs;
  const input = type(x).shape;
  const output = type(node.outputs[0] ?? '').shape;
  const [batch, channels, produced] = [at(input, 0), at(input, 1), at(output, 1)];
  const [from, to] = [output.slice(2), input.slice(2)];
  const geometry = windowGeometry(node, to, type(weight).shape.slice(2));
  const inputCotangent = (): string => {
    const rows = build.reshape(g, [columns * batch, produced, ...from]);
    const constant = foldable(context, 1);
    const pulled = spread(build, rows, weight, constant, geometry, channels, from, to);
    return build.reshape(pulled, [columns, ...input]);
  };
  return [
    context.wants(0) ? inputCotangent() : undefined,
    context.wants(1)
      ? kernelCotangent(
          build,
          { value: x, columns: 1, channels, spatial: to },
          { value: g, columns, channels: produced, spatial: from },
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

const wave = (count: number): number[] => Array.from({ length: count }, (_, i) => Math.sin(i));

export const conv: OpRule = {
  op: 'Conv',
  vjp,
  linearity: (_node, [x, weight]) => (x === true && weight === true ? 'smooth' : 'linear'),
  examples: [
    example('plain', {}, [2, 3, 5, 4], [2, 3, 3, 2], [2]),
    example(
      'strides that leave a remainder, uneven pads',
      { strides: ints([2, 3]), pads: ints([1, 0, 0, 2]) },
      [2, 2, 6, 7],
      [3, 2, 3, 2],
      [3],
    ),
    example(
      'dilations and strides',
      { strides: ints([2, 1]), dilations: ints([2, 3]), pads: ints([2, 1, 1, 2]) },
      [2, 2, 7, 6],
      [2, 2, 3, 2],
    ),
    example(
      'SAME_UPPER',
      { auto_pad: string('SAME_UPPER'), strides: ints([2]) },
      [2, 2, 5],
      [3, 2, 4],
    ),
    example('SAME_LOWER', { auto_pad: string('SAME_LOWER') }, [2, 2, 5], [3, 2, 4]),
    example('VALID', { auto_pad: string('VALID') }, [2, 2, 5], [3, 2, 4]),
    example('groups', { group: int(2), pads: ints([1, 1]) }, [3, 4, 5], [6, 2, 3], [6]),
    example('groups and strides', { group: int(2), strides: ints([2]) }, [3, 4, 6], [6, 2, 3]),
    example('depthwise', { group: int(3), pads: ints([1, 1, 1, 1]) }, [2, 3, 4, 4], [3, 1, 3, 3]),
    example('depthwise with a multiplier', { group: int(2) }, [2, 2, 5], [4, 1, 3]),
    example('3 dimensions', { pads: ints([1, 0, 1, 0, 1, 1]) }, [2, 2, 3, 3, 2], [2, 2, 2, 2, 2]),
    example('pads as large as the kernel', { pads: ints([2, 3]) }, [2, 2, 4], [2, 2, 2]),
    {
      name: 'constant weight, rotated',
      attributes: { pads: ints([1, 1, 1, 1]) },
      inputs: [{ shape: [2, 16, 4, 3], dtype: 'float32' }, floatTensor(wave(288), [2, 16, 3, 3])],
    },
    {
      name: 'constant weight, groups and dilations',
      attributes: { group: int(2), dilations: ints([2]), pads: ints([1, 2]) },
      inputs: [{ shape: [2, 4, 6], dtype: 'float32' }, floatTensor(wave(36), [6, 2, 3])],
    },
    {
      name: 'constant weight, strides',
      attributes: { strides: ints([2, 2]) },
      inputs: [{ shape: [2, 2, 6, 5], dtype: 'float32' }, floatTensor(wave(36), [2, 2, 3, 3])],
    },
  ],
};
