// Col2Im, PyTorch's fold: columns of blocks added up at their places. Its transpose cuts the blocks out again.
import { ints } from '../attributes.js';
import { elementCount } from '../graph.js';
import { floatTensor, intTensor } from '../tensor.js';
import { windowGeometry } from '../window.js';
import { constantNumbers } from './constant-input.js';
import { windowAttributes } from './convolution.js';
import { type OpExample, type OpRule, UnsupportedFormError, type Vjp } from './op-rule.js';
import { input, widthOf } from './pointwise.js';

/** [N, C K, L] to [N, C, ...image], K the size of a block: every map is convolved with K one-hot kernels. */
const col2imVjp: Vjp = (c, [g]) => {
  if (g === undefined || !c.wants(0)) return [];
  const { node, build, columns, type } = c;
  const kernel = constantNumbers(c, 2) ?? [];
  const [batch = 0, channels = 0, ...image] = type(node.outputs[0] ?? '').shape;
  // ONNX Runtime's Conv has no more axes.
  if (image.length > 3) throw new UnsupportedFormError(node, `images of ${image.length} axes`);
  const size = elementCount(kernel);
  const unit = Array.from({ length: size * size }, (_, index) =>
    index % (size + 1) === 0 ? 1 : 0,
  );
  const kernels = floatTensor(unit, [size, 1, ...kernel], widthOf(c, input(c, 0)));
  const maps = build.reshape(g, [columns * batch * channels, 1, ...image]);
  const cut = build.emit(
    'Conv',
    [maps, build.constant(kernels)],
    windowAttributes(windowGeometry(node, image, kernel)),
  );
  return [build.reshape(cut, [columns, ...type(input(c, 0)).shape])];
};

function example(
  name: string,
  attributes: OpExample['attributes'] & object,
  shape: readonly number[],
  image: readonly number[],
  block: readonly number[],
): OpExample {
  return {
    name,
    attributes,
    inputs: [{ shape, dtype: 'float32' }, intTensor(image), intTensor(block)],
  };
}

export const col2im: OpRule = {
  op: 'Col2Im',
  vjp: col2imVjp,
  linearity: 'linear',
  examples: [
    example('overlapping', {}, [2, 12, 6], [3, 4], [2, 2]),
    example(
      'strides, pads and dilations',
      { strides: ints([2, 1]), pads: ints([1, 0, 1, 2]), dilations: ints([1, 2]) },
      [2, 6, 12],
      [5, 6],
      [2, 3],
    ),
    example('1 dimension', { strides: ints([2]) }, [3, 4, 3], [6], [2]),
  ],
};
