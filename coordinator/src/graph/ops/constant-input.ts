// Reads inputs that must not depend on the data: axes, shapes, indices.
import { tensorNumbers } from '../tensor.js';
import { UnsupportedFormError, type VjpContext } from './op-rule.js';

/**
 * The numbers of constant input `index`; undefined where the input is absent.
 * @throws UnsupportedFormError when the input depends on the data
 */
export function constantNumbers(c: VjpContext, index: number): number[] | undefined {
  const name = c.node.inputs[index] ?? '';
  if (name === '') return undefined;
  const tensor = c.constant(name);
  if (tensor === undefined)
    throw new UnsupportedFormError(c.node, `its input '${name}' must not depend on the data`);
  return tensorNumbers(tensor);
}
