// What every program about one layer's exact block begins with: its sample factors X and g.
import { GraphBuilder } from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import { type BackwardRequest, emitLayerCotangents } from './backward.js';
import type { GgnShape, SampleFactors } from './ggn.js';
import type { LossInputs } from './loss.js';
import { ProgramInputs, ProgramOutputs } from './program-io.js';
import { emitSampleFactors } from './sample-factors.js';

export interface LayerProgramRequest extends Omit<BackwardRequest, 'layers' | 'sums'> {
  readonly layer: Layer;
  /** The batch may be padded: cotangents of padded samples vanish. */
  readonly padded: boolean;
  /** Whether labels are an input, whatever the columns need. */
  readonly labelled?: boolean;
}

export interface LayerProgram {
  readonly b: GraphBuilder;
  readonly inputs: ProgramInputs;
  readonly outputs: ProgramOutputs;
  /** [B], 0 for padded samples; undefined where there are none. */
  readonly weight: string | undefined;
  readonly lossInputs: LossInputs;
  readonly factors: SampleFactors & { readonly shape: GgnShape };
}

/** @throws UnsupportedOpError, UnknownBatchAxisError */
export function beginLayerProgram(request: LayerProgramRequest): LayerProgram {
  const { graph, batch, layer } = request;
  const b = new GraphBuilder(graph);
  const inputs = new ProgramInputs(graph, batch);
  const outputs = new ProgramOutputs(b);
  const weight = request.padded ? inputs.sampleWeight() : undefined;
  const backward = { ...request, layers: [layer], sums: request.labelled === true };
  const pulled = emitLayerCotangents(b, inputs, backward, weight);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const factors = emitSampleFactors(b, nodes, request, layer, pulled);
  return { b, inputs, outputs, weight, lossInputs: pulled.lossInputs, factors };
}
