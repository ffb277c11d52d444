// Dropout in inference, where it is the identity; training mode is refused.
import { tensorNumbers } from '../tensor.js';
import { type OpRule, UnsupportedFormError } from './op-rule.js';

export const dropout: OpRule = {
  op: 'Dropout',
  vjp: (_context, [g]) => [g],
  linearity: 'linear',
  upgrade: (node, _opset, context) => {
    // The canonical form has the data alone: ratio and seed mean nothing in inference.
    const canonical = { ...node, inputs: node.inputs.slice(0, 1), attributes: {} };
    const training = node.inputs[2] ?? '';
    if (training === '') return [canonical];
    const mode = context.initializer(training);
    if (mode === undefined)
      throw new UnsupportedFormError(node, 'whether it is in training mode is not constant');
    if (tensorNumbers(mode)[0] === 0) return [canonical];
    throw new UnsupportedFormError(
      node,
      'it is in training mode; export the model in evaluation mode (model.eval())',
    );
  },
  examples: [
    { name: 'data alone', inputs: [{ shape: [2, 3] }] },
    { name: 'with its mask', inputs: [{ shape: [2, 3] }], outputs: 2 },
  ],
};
