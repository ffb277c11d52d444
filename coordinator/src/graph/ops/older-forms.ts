// Forms of older opsets of ops that have no rule: models may use them where nothing is differentiated.
import { intAttribute, string, stringAttribute, without } from '../attributes.js';
import { intTensor } from '../tensor.js';
import type { OpRule } from './op-rule.js';
import { upgradeResize } from './resize.js';

type Upgrade = NonNullable<OpRule['upgrade']>;

/** Upsample 7 and 9 is what Resize 10 began as. */
const upsample: Upgrade = (node, _opset, context) =>
  upgradeResize({ ...node, op: 'Resize' }, 10, context);

const scatter: Upgrade = (node) => [{ ...node, op: 'ScatterElements' }];

/** RoiAlign 16 changed the default of an attribute that 10 did not have. */
const roiAlign: Upgrade = (node, opset) => {
  if (opset >= 16) return [node];
  const coordinates = { coordinate_transformation_mode: string('output_half_pixel') };
  return [{ ...node, attributes: { ...coordinates, ...node.attributes } }];
};

/** GridSample 20 renamed its modes. */
const gridSample: Upgrade = (node) => {
  const renamed: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic' };
  const mode = renamed[stringAttribute(node, 'mode', 'linear')];
  return mode === undefined
    ? [node]
    : [{ ...node, attributes: { ...node.attributes, mode: string(mode) } }];
};

/** DFT 20 made the axis an input, counted among all axes, and changed its default. */
const dft: Upgrade = (node, opset, context) => {
  if (opset >= 20) return [node];
  const axis = context.constant(intTensor([intAttribute(node, 'axis', 1)], []));
  return [
    {
      ...node,
      inputs: [node.inputs[0] ?? '', node.inputs[1] ?? '', axis],
      attributes: without(node.attributes, 'axis'),
    },
  ];
};

/** How to bring nodes of ops outside the table into the form of opset 20, by op. */
export const OLDER_FORMS: ReadonlyMap<string, Upgrade> = new Map([
  ['Upsample', upsample],
  ['Scatter', scatter],
  ['RoiAlign', roiAlign],
  ['GridSample', gridSample],
  ['DFT', dft],
]);
