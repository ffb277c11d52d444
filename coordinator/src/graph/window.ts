// Geometry of sliding windows (Conv, ConvTranspose, pooling) with pads made explicit.
import { intAttribute, intsAttribute, stringAttribute } from './attributes.js';
import type { Node } from './graph.js';

/** All arrays have one entry per spatial axis. */
export interface WindowGeometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Zeros before and after each axis, `auto_pad` resolved. */
  readonly padsBegin: readonly number[];
  readonly padsEnd: readonly number[];
  readonly groups: number;
}

/**
 * @param spatial the input's spatial sizes
 * @param kernel the kernel's spatial sizes
 */
export function windowGeometry(
  node: Node,
  spatial: readonly number[],
  kernel: readonly number[],
): WindowGeometry {
  const ones = kernel.map(() => 1);
  const strides = intsAttribute(node, 'strides') ?? ones;
  const dilations = intsAttribute(node, 'dilations') ?? ones;
  const extent = kernel.map((k, axis) => (k - 1) * at(dilations, axis) + 1);
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET');
  const groups = intAttribute(node, 'group', 1);
  const rest = { kernel, strides, dilations, groups };
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const total = spatial.map((size, axis) => {
      const stride = at(strides, axis);
      return Math.max(0, (Math.ceil(size / stride) - 1) * stride + at(extent, axis) - size);
    });
    const small = total.map((pads) => Math.floor(pads / 2));
    const large = total.map((pads) => Math.ceil(pads / 2));
    return auto === 'SAME_UPPER'
      ? { ...rest, padsBegin: small, padsEnd: large }
      : { ...rest, padsBegin: large, padsEnd: small };
  }
  const pads = auto === 'VALID' ? undefined : intsAttribute(node, 'pads');
  const zeros = kernel.map(() => 0);
  return {
    ...rest,
    padsBegin: pads?.slice(0, kernel.length) ?? zeros,
    padsEnd: pads?.slice(kernel.length) ?? zeros,
  };
}

/** Entry `axis` of a per-axis list. @throws when the list is too short */
export function at(list: readonly number[], axis: number): number {
  const value = list[axis];
  if (value === undefined) throw new Error(`axis ${axis} is beyond [${list.join(', ')}]`);
  return value;
}
