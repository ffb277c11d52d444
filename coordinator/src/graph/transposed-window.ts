// Geometry of ConvTranspose's windows: pads made explicit, as ONNX Runtime distributes them.
import { intAttribute, intsAttribute, stringAttribute } from './attributes.js';
import type { Node } from './graph.js';
import { at, type WindowGeometry } from './window.js';

/**
 * The geometry of the convolution that a ConvTranspose transposes: its strides, dilations and pads.
 * What `output_padding` adds at the end follows from the sizes.
 * @param input the ConvTranspose's input sizes (the convolution's output)
 * @param output the ConvTranspose's output sizes (the convolution's input)
 * @param kernel the kernel's sizes
 */
export function transposedWindowGeometry(
  node: Node,
  input: readonly number[],
  output: readonly number[],
  kernel: readonly number[],
): WindowGeometry {
  const ones = kernel.map(() => 1);
  const zeros = kernel.map(() => 0);
  const strides = intsAttribute(node, 'strides') ?? ones;
  const dilations = intsAttribute(node, 'dilations') ?? ones;
  const rest = { kernel, strides, dilations, groups: intAttribute(node, 'group', 1) };
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET');
  if (intsAttribute(node, 'output_shape') === undefined) {
    if (auto === 'VALID') return { ...rest, padsBegin: zeros, padsEnd: zeros };
    if (auto === 'NOTSET') {
      const pads = intsAttribute(node, 'pads');
      return {
        ...rest,
        padsBegin: pads?.slice(0, kernel.length) ?? zeros,
        padsEnd: pads?.slice(kernel.length) ?? zeros,
      };
    }
  }
  const extra = intsAttribute(node, 'output_padding') ?? zeros;
  const total = kernel.map((k, axis) => {
    const whole = (at(input, axis) - 1) * at(strides, axis) + (k - 1) * at(dilations, axis) + 1;
    return Math.max(0, whole + at(extra, axis) - at(output, axis));
  });
  const small = total.map((pads) => Math.floor(pads / 2));
  const large = total.map((pads) => Math.ceil(pads / 2));
  return auto === 'SAME_UPPER'
    ? { ...rest, padsBegin: small, padsEnd: large }
    : { ...rest, padsBegin: large, padsEnd: small };
}
