// Finds the layers of a graph: nodes that multiply their input by a constant weight.
import {
  at,
  consumers,
  elementCount,
  floatAttribute,
  intAttribute,
  isComputedByExporter,
  type Node,
  type ShapedGraph,
  type Tensor,
  tensor,
  typeOf,
} from '../graph/index.js';
import { ancestors, type Downstream, downstream } from './downstream.js';
import type {
  Discovery,
  Layer,
  LayerOp,
  LayerUse,
  SkippedLayer,
  UnsupportedNode,
} from './layer.js';
import { distinctNames, layerName, roleName } from './names.js';

/** One node that uses a weight, before uses of the same weight are put together. */
interface Candidate {
  readonly node: Node;
  readonly op: LayerOp;
  readonly weight: string;
  /** Whether the weight's rows are inputs, [in, out]; tied uses must agree on W itself. */
  readonly transposed: boolean;
  readonly outDim: number;
  readonly inDim: number;
  readonly groups: number;
  readonly bias: string | undefined;
  readonly use: LayerUse;
}

/** A node that looks like a layer but cannot be analysed. */
interface Refusal {
  readonly node: Node;
  readonly weight: string;
  readonly reason: string;
}

const NONE = 'it multiplies no constant weight';

/**
 * @param graph for the batch size `batch`
 * @param output the value that holds the logits
 */
export function discoverLayers(graph: ShapedGraph, batch: number, output: string): Discovery {
  const readers = consumers(graph);
  const needed = ancestors(graph, output);
  const found: (Candidate | Refusal)[] = [];
  for (const node of graph.nodes) {
    if (node.domain !== '' || !node.outputs.some((value) => needed.has(value))) continue;
    const candidate = recognise(graph, node, batch, readers);
    if (candidate !== undefined) found.push(candidate);
  }
  // A weight that was only laid out anew is still that weight: it gives the name and tells ties.
  const original = (weight: string) => graph.origins?.get(weight) ?? weight;
  /** By weight; an embedding's uses of a weight apart from its uses as a linear layer. */
  const byWeight = new Map<string, Candidate[]>();
  const skipped: SkippedLayer[] = [];
  for (const item of found) {
    const weight = original(item.weight);
    if ('reason' in item)
      skipped.push({ name: layerName(item.node, weight), op: item.node.op, reason: item.reason });
    else {
      const key = roleKey(weight, item.op === 'Gather');
      byWeight.set(key, [...(byWeight.get(key) ?? []), item]);
    }
  }
  const groups = [...byWeight.values()];
  /** The uses of the same weight in the other role. */
  const others = groups.map((uses) => {
    const first = uses[0] as Candidate;
    const named = byWeight.get(roleKey(original(first.weight), first.op !== 'Gather'));
    return named ?? groups.find(([other]) => areTransposed(graph, first, other as Candidate));
  });
  const names = distinctNames(
    groups.map(([first], index) => {
      const { node, op, weight, bias } = first as Candidate;
      const tied = op === 'Gather' || others[index] !== undefined;
      const role = tied ? roleName(node, original(weight), 'weight') : undefined;
      return role ?? layerName(node, original(weight), bias);
    }),
  );
  const nameOf = new Map(groups.map((uses, index) => [uses, names[index] as string]));
  const layers: Layer[] = [];
  const blocks = new Map<string, { op: string; node: string; blocks: string[] }>();
  groups.forEach((uses, index) => {
    const name = names[index] as string;
    const other = others[index];
    const tiedTo = other && nameOf.get(other);
    const { layer, reason, paths } = assemble(graph, name, uses, output, needed, tiedTo);
    for (const node of paths.flatMap((path) => path.unsupported)) {
      const entry = blocks.get(node.name) ?? { op: node.op, node: node.name, blocks: [] };
      if (!entry.blocks.includes(name)) entry.blocks.push(name);
      blocks.set(node.name, entry);
    }
    if (reason === undefined) layers.push(layer);
    else skipped.push({ name, op: layer.op, reason });
  });
  const unsupported: UnsupportedNode[] = [...blocks.values()];
  return { layers, skipped, unsupported };
}

function roleKey(weight: string, embedding: boolean): string {
  return embedding ? `rows of ${weight}` : weight;
}

function assemble(
  graph: ShapedGraph,
  name: string,
  uses: readonly Candidate[],
  output: string,
  needed: ReadonlySet<string>,
  tiedTo: string | undefined,
): { layer: Layer; reason: string | undefined; paths: readonly Downstream[] } {
  const first = uses[0] as Candidate;
  const paths = uses.map(({ use }) => downstream(graph, use.output, output, needed));
  // A weight that acts again on its own output enters as a polynomial.
  const nested = paths.some((path, i) =>
    uses.some(({ use }, j) => i !== j && path.values.has(use.input)),
  );
  const bias = uses.map((use) => use.bias).find((value) => value !== undefined);
  const layer: Layer = {
    name,
    op: first.op,
    weight: graph.origins?.get(first.weight) ?? first.weight,
    outDim: first.outDim,
    inDim: first.inDim,
    groups: first.groups,
    positions: uses.reduce((sum, { use }) => sum + use.positions, 0),
    params: first.outDim * first.inDim * first.groups,
    bias,
    piecewiseLinear: !nested && paths.every((path) => path.piecewiseLinear),
    uses: uses.map(({ use }) => use),
    ...(tiedTo === undefined ? {} : { tiedTo }),
    ...(isComputed(graph, first.weight) ? { computed: true as const } : {}),
    ...(bias !== undefined && isComputed(graph, bias) ? { computedBias: true as const } : {}),
  };
  const blocker = paths.flatMap((path) => path.unsupported)[0];
  let reason: string | undefined;
  if (blocker !== undefined) {
    const domain = blocker.domain === '' ? '' : `${blocker.domain}.`;
    reason = `unsupported op ${domain}${blocker.op} in node '${blocker.name}' (opset ${graph.opset}), between layer '${name}' and the output`;
  } else if (!paths.some((path) => path.reachesOutput)) {
    reason = 'the output does not depend on it differentiably';
  } else if (uses.some((use) => !sameMatrix(graph, use, first))) {
    reason = `its weight '${layer.weight}' is used in different orientations`;
  }
  return { layer, reason, paths };
}

/** Whether the file computes an initializer from others, or its exporter did. */
function isComputed(graph: ShapedGraph, value: string): boolean {
  return graph.computed?.has(value) === true || isComputedByExporter(value);
}

/** Whether two uses multiply by the same W [out, in]. */
function sameMatrix(graph: ShapedGraph, a: Candidate, b: Candidate): boolean {
  const linear = isLinear(a) && isLinear(b);
  if (!linear && a.op !== b.op) return false;
  if (a.outDim !== b.outDim || a.inDim !== b.inDim || a.groups !== b.groups) return false;
  if (a.weight === b.weight && a.transposed === b.transposed) return true;
  return linear && sameContents(graph, a, b);
}

/** Whether one is an embedding and the other a linear layer of the same contents; some exporters copy. */
function areTransposed(graph: ShapedGraph, a: Candidate, b: Candidate): boolean {
  const linear = [a, b].find(isLinear);
  const embedding = [a, b].find(({ op }) => op === 'Gather');
  if (linear === undefined || embedding === undefined) return false;
  if (linear.outDim !== embedding.inDim || linear.inDim !== embedding.outDim) return false;
  const [left, right] = [linear, embedding].map((use) =>
    floats(graph.initializers.get(use.weight)),
  ) as [Float32Array, Float32Array];
  const { outDim: rows, inDim: columns, transposed } = linear;
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      if (left[transposed ? j * rows + i : i * columns + j] !== right[i * columns + j])
        return false;
  return true;
}

/** A float32 tensor's numbers; none for another type. */
function floats(contents: Tensor | undefined): Float32Array {
  if (contents?.dtype !== 'float32') return new Float32Array();
  const { buffer, byteOffset, byteLength } = contents.bytes;
  return byteOffset % 4 === 0
    ? new Float32Array(buffer, byteOffset, byteLength / 4)
    : new Float32Array(Uint8Array.from(contents.bytes).buffer);
}

function isLinear(use: Candidate): boolean {
  return use.op === 'Gemm' || use.op === 'MatMul';
}

/** Compares two linear weights entry by entry, each read as [out, in]. */
function sameContents(graph: ShapedGraph, a: Candidate, b: Candidate): boolean {
  const read = (use: Candidate) => {
    const contents = graph.initializers.get(use.weight);
    if (contents === undefined) throw new Error(`graph has no initializer '${use.weight}'`);
    const values = tensor.tensorNumbers(contents);
    return (i: number, j: number) =>
      values[use.transposed ? j * use.outDim + i : i * use.inDim + j];
  };
  const [left, right] = [read(a), read(b)];
  for (let i = 0; i < a.outDim; i++)
    for (let j = 0; j < a.inDim; j++) if (left(i, j) !== right(i, j)) return false;
  return true;
}

function recognise(
  graph: ShapedGraph,
  node: Node,
  batch: number,
  readers: ReadonlyMap<string, readonly Node[]>,
): Candidate | Refusal | undefined {
  switch (node.op) {
    case 'Gemm':
      return recogniseGemm(graph, node, batch);
    case 'MatMul':
      return recogniseMatMul(graph, node, batch, readers);
    case 'Gather':
      return recogniseGather(graph, node, batch);
    case 'Conv':
    case 'ConvTranspose':
      return recogniseConvolution(graph, node, batch);
    default:
      return undefined;
  }
}

function recogniseGemm(
  graph: ShapedGraph,
  node: Node,
  batch: number,
): Candidate | Refusal | undefined {
  const [a = '', b = '', bias = ''] = node.inputs;
  const right = graph.initializers.has(b);
  const left = graph.initializers.has(a);
  if (!right && !left) return undefined;
  const weight = right ? b : a;
  if (floatAttribute(node, 'alpha', 1) !== 1)
    return { node, weight, reason: `Gemm with alpha ${floatAttribute(node, 'alpha', 1)}` };
  const shape = typeOf(graph, weight).shape;
  const transposed = intAttribute(node, right ? 'transB' : 'transA', 0) === 1;
  // The weight as the node multiplies by it: [in, out] on the right, [out, in] on the left.
  const [rows, columns] = transposed ? [at(shape, 1), at(shape, 0)] : [at(shape, 0), at(shape, 1)];
  const [inDim, outDim] = right ? [rows, columns] : [columns, rows];
  const otherTransposed = intAttribute(node, right ? 'transA' : 'transB', 0) === 1;
  const inputAxis = right ? (otherTransposed ? 0 : 1) : otherTransposed ? 1 : 0;
  const input = right ? a : b;
  const use = linearUse(graph, node, batch, input, inputAxis, right ? 1 : 0);
  if (typeof use === 'string') return { node, weight, reason: use };
  return {
    node,
    op: 'Gemm',
    weight,
    transposed: right ? !transposed : transposed,
    outDim,
    inDim,
    groups: 1,
    bias: graph.initializers.has(bias) ? bias : undefined,
    use,
  };
}

function recogniseMatMul(
  graph: ShapedGraph,
  node: Node,
  batch: number,
  readers: ReadonlyMap<string, readonly Node[]>,
): Candidate | Refusal | undefined {
  const [a = '', b = ''] = node.inputs;
  const right = graph.initializers.has(b);
  if (!right && !graph.initializers.has(a)) return undefined;
  const weight = right ? b : a;
  const input = right ? a : b;
  const shape = typeOf(graph, weight).shape;
  if (shape.length !== 2)
    return { node, weight, reason: `its constant operand has rank ${shape.length}; ${NONE}` };
  const [inDim, outDim] = right ? [at(shape, 0), at(shape, 1)] : [at(shape, 1), at(shape, 0)];
  const inputRank = typeOf(graph, input).shape.length;
  const output = node.outputs[0] as string;
  const outputRank = typeOf(graph, output).shape.length;
  const use = linearUse(
    graph,
    node,
    batch,
    input,
    right ? inputRank - 1 : Math.max(0, inputRank - 2),
    // A vector operand drops its axis from the product.
    right ? outputRank - 1 : inputRank === 1 ? 0 : outputRank - 2,
  );
  if (typeof use === 'string') return { node, weight, reason: use };
  return {
    node,
    op: 'MatMul',
    weight,
    transposed: right,
    outDim,
    inDim,
    groups: 1,
    bias: addedBias(graph, output, outDim, readers),
    use,
  };
}

/** An embedding: rows of a constant matrix, picked by indices of each sample. */
function recogniseGather(graph: ShapedGraph, node: Node, batch: number): Candidate | undefined {
  const [weight = '', indices = ''] = node.inputs;
  const shape = graph.initializers.get(weight)?.shape;
  if (shape?.length !== 2) return undefined;
  // Constant indices are positions, token types: the same for all samples, one row of them a sample.
  const fixed = graph.initializers.get(indices)?.shape;
  if (fixed !== undefined && (fixed.length < 2 || fixed[0] !== batch)) return undefined;
  if (typeOf(graph, weight).dtype !== 'float32' || intAttribute(node, 'axis', 0) !== 0)
    return undefined;
  const output = node.outputs[0] as string;
  const positions = elementCount(typeOf(graph, indices).shape) / batch;
  // Indices without the batch are the same for all samples, as those of positions.
  if (!Number.isInteger(positions)) return undefined;
  const outputAxis = typeOf(graph, output).shape.length - 1;
  return {
    node,
    op: 'Gather',
    weight,
    transposed: true,
    outDim: at(shape, 1),
    inDim: at(shape, 0),
    groups: 1,
    bias: undefined,
    use: { node: node.name, input: indices, output, inputAxis: outputAxis, outputAxis, positions },
  };
}

/** The initializer of size outDim that an Add puts on top of a MatMul. */
function addedBias(
  graph: ShapedGraph,
  output: string,
  outDim: number,
  readers: ReadonlyMap<string, readonly Node[]>,
): string | undefined {
  for (const reader of readers.get(output) ?? []) {
    if (reader.op !== 'Add') continue;
    const other = reader.inputs.find((input) => input !== output);
    const constant = other === undefined ? undefined : graph.initializers.get(other);
    if (constant !== undefined && elementCount(constant.shape) === outDim) return other;
  }
  return undefined;
}

/** @returns the use, or the reason why the node is none */
function linearUse(
  graph: ShapedGraph,
  node: Node,
  batch: number,
  input: string,
  inputAxis: number,
  outputAxis: number,
): LayerUse | string {
  const shape = typeOf(graph, input).shape;
  const rows = elementCount(shape) / at(shape, inputAxis);
  const positions = rows / batch;
  if (!Number.isInteger(positions))
    return 'its input does not have the samples of the batch along its axes';
  return {
    node: node.name,
    input,
    output: node.outputs[0] as string,
    inputAxis,
    outputAxis,
    positions,
  };
}

function recogniseConvolution(
  graph: ShapedGraph,
  node: Node,
  batch: number,
): Candidate | Refusal | undefined {
  const [input = '', weight = '', bias = ''] = node.inputs;
  if (!graph.initializers.has(weight)) return undefined;
  const groups = intAttribute(node, 'group', 1);
  const shape = typeOf(graph, weight).shape;
  const kernel = elementCount(shape.slice(2));
  const output = node.outputs[0] as string;
  const outputShape = typeOf(graph, output).shape;
  if (at(outputShape, 0) !== batch)
    return { node, weight, reason: 'the leading axis of its output is not the batch' };
  const transposed = node.op === 'ConvTranspose';
  // Conv: [out, in/groups, ...kernel]; ConvTranspose: [in, out/groups, ...kernel].
  const outDim = transposed ? at(shape, 1) : at(shape, 0) / groups;
  const inDim = (transposed ? at(shape, 0) / groups : at(shape, 1)) * kernel;
  const use: LayerUse = {
    node: node.name,
    input,
    output,
    inputAxis: 1,
    outputAxis: 1,
    positions: elementCount(outputShape.slice(2)),
  };
  return {
    node,
    op: transposed ? 'ConvTranspose' : 'Conv',
    weight,
    transposed: false,
    outDim,
    inDim,
    groups,
    bias: graph.initializers.has(bias) ? bias : undefined,
    use,
  };
}
