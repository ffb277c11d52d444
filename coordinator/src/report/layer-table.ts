// What `inspect` shows: the layers of a model, and those that cannot be analysed.
import type { Discovery, Layer } from '../layers/layer.js';
import { formatCount } from './number-format.js';
import { formatShape } from './summary.js';
import { type Column, textTable } from './text-table.js';

const COLUMNS: readonly Column[] = [
  { title: 'layer', align: 'left' },
  { title: 'op', align: 'left' },
  { title: 'weight', align: 'left' },
  { title: 'shape', align: 'left' },
  { title: 'positions', align: 'right' },
  { title: 'params', align: 'right' },
  { title: 'bias', align: 'left' },
  { title: 'piecewise\nlinear', align: 'left' },
  { title: 'uses', align: 'right' },
];

function row(layer: Layer): readonly string[] {
  return [
    layer.name,
    layer.op,
    layer.weight,
    formatShape(layer),
    formatCount(layer.positions),
    formatCount(layer.params),
    layer.bias ?? '-',
    layer.piecewiseLinear ? 'yes' : 'no',
    String(layer.uses.length),
  ];
}

/** The lines of the table, and one line for each layer-like node that is skipped. */
export function renderLayers({ layers, skipped }: Discovery): readonly string[] {
  const params = layers.reduce((sum, layer) => sum + layer.params, 0);
  const plural = layers.length === 1 ? 'layer' : 'layers';
  return [
    ...(layers.length === 0 ? [] : [...textTable(COLUMNS, layers.map(row)), '']),
    ...skipped.map(({ name, op, reason }) => `skipped ${op} '${name}': ${reason}`),
    `${layers.length} ${plural}, ${formatCount(params)} weights`,
  ];
}
