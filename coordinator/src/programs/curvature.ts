// The programs that multiply vectors by a layer's exact Gauss-Newton block: capture once, multiply often.
import { GraphBuilder, type ShapedGraph } from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import type { BuiltProgram } from './built-program.js';
import { emitGgnProduct, type GgnShape } from './ggn.js';
import { beginLayerProgram, type LayerProgramRequest } from './layer-program.js';
import { finishProgram, ProgramInputs, ProgramOutputs } from './program-io.js';

export interface CurvatureProgramRequest extends LayerProgramRequest {
  /** K, vectors in one product. */
  readonly vectors: number;
}

export interface CurvaturePrograms {
  /** From data to X and g of every use, one row a sample. */
  readonly capture: BuiltProgram;
  /** From X, g and `probe` V [K, G, m, n] to `product` [K, G, m, n], summed over the batch. */
  readonly product: BuiltProgram;
}

const inputName = (use: number): string => `kl/x${use}`;
const cotangentName = (use: number): string => `kl/g${use}`;

/** Builds both programs. @throws UnsupportedOpError, UnknownBatchAxisError */
export function buildCurvaturePrograms(request: CurvatureProgramRequest): CurvaturePrograms {
  const { graph, batch, layer, vectors } = request;
  const { b, inputs, outputs, factors } = beginLayerProgram(request);
  const { shape } = factors;
  const captured = shape.positions.flatMap((positions, use) => [
    {
      name: inputName(use),
      value: factors.inputs[use] as string,
      shape: [batch, shape.groups, positions, shape.inDim],
    },
    {
      name: cotangentName(use),
      value: factors.cotangents[use] as string,
      shape: [batch, shape.columns, positions * shape.groups * shape.outDim],
    },
  ]);
  for (const { name, value, shape: size } of captured)
    outputs.addPerSample(name.slice('kl/'.length), value, {
      kind: name,
      layer: layer.name,
      group: 0,
      shape: size,
    });
  const capture = finishProgram(b, `capture ${layer.name}`, batch, inputs, outputs);
  return { capture, product: buildProduct(graph, layer, shape, captured, vectors) };
}

function buildProduct(
  graph: ShapedGraph,
  layer: Layer,
  shape: GgnShape,
  captured: readonly { readonly name: string; readonly shape: readonly number[] }[],
  vectors: number,
): BuiltProgram {
  const empty = { ...graph, inputs: [], outputs: [], nodes: [], initializers: new Map() };
  const b = new GraphBuilder(empty);
  const inputs = new ProgramInputs(empty, shape.batch);
  const outputs = new ProgramOutputs(b);
  for (const { name, shape: size } of captured) inputs.captured(name, size);
  const block = [vectors, shape.groups, shape.outDim, shape.inDim];
  const probe = inputs.probe(block);
  const product = emitGgnProduct(
    b,
    {
      inputs: shape.positions.map((_, use) => inputName(use)),
      cotangents: shape.positions.map((_, use) => cotangentName(use)),
    },
    shape,
    probe,
    vectors,
  );
  outputs.add('product', product, {
    kind: 'product',
    layer: layer.name,
    group: 0,
    shape: block,
    symmetric: false,
    scale: 1,
  });
  return finishProgram(b, `product ${layer.name}`, shape.batch, inputs, outputs);
}
