// The commonest change between opsets: an attribute that became a constant input.
import { intsAttribute, without } from '../attributes.js';
import { intTensor } from '../tensor.js';
import type { OpRule } from './op-rule.js';

/**
 * Moves a list of integers (`axes`, `split`) from the attribute to input 1; a node that lacks the
 * attribute has the new form already, or leaves the choice to the op.
 */
export function attributeToInput(attribute: string): NonNullable<OpRule['upgrade']> {
  return (node, _opset, context) => {
    const values = intsAttribute(node, attribute);
    if (values === undefined) return [node];
    return [
      {
        ...node,
        inputs: [node.inputs[0] ?? '', context.constant(intTensor(values))],
        attributes: without(node.attributes, attribute),
      },
    ];
  };
}
