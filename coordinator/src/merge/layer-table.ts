// The rows of layers.arrow.
import type { LayerRow } from '@kronlens/proto';
import type { Layer } from '../layers/index.js';

/** One row a layer; dimensions are those of one block of a grouped convolution. */
export function layerRows(layers: readonly Layer[]): LayerRow[] {
  return layers.map((layer) => ({
    layer: layer.name,
    op: layer.op,
    weight: layer.weight,
    out_dim: layer.outDim,
    in_dim: layer.inDim,
    groups: layer.groups,
    positions: layer.positions,
    params: layer.params,
    bias: layer.bias ?? null,
    piecewise_linear: layer.piecewiseLinear,
  }));
}
