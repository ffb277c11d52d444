// The inputs X and cotangents g of a layer, sample by sample, over all uses of its weight.
import type { GraphBuilder, Node } from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import type { BackwardRequest, LayerCotangents } from './backward.js';
import { factorInputDim, isJoint } from './factor-options.js';
import { emitSampleCotangent, emitSampleInput, type GgnShape, type SampleFactors } from './ggn.js';

/** X and g of every use of `layer` that the logits depend on. */
export function emitSampleFactors(
  b: GraphBuilder,
  nodes: ReadonlyMap<string, Node>,
  request: Pick<BackwardRequest, 'graph' | 'batch' | 'places' | 'options'>,
  layer: Layer,
  { cotangents, columns }: Pick<LayerCotangents, 'cotangents' | 'columns'>,
): SampleFactors & { readonly shape: GgnShape } {
  const { graph, batch, places, options } = request;
  const joint = isJoint(layer, options);
  const reached = layer.uses.filter((use) => cotangents.has(use.output));
  return {
    inputs: reached.map((use) =>
      emitSampleInput(b, graph, nodes, places, layer, use, batch, joint),
    ),
    cotangents: reached.map((use) =>
      emitSampleCotangent(
        b,
        graph,
        places,
        layer,
        use,
        cotangents.get(use.output) as string,
        columns,
        batch,
      ),
    ),
    shape: {
      batch,
      columns,
      groups: layer.groups,
      outDim: layer.outDim,
      inDim: factorInputDim(layer, options),
      positions: reached.map((use) => use.positions),
    },
  };
}
