// Fixes the shapes of a graph's inputs: every value gets a concrete type, every static value becomes an initializer.
import { captures, reads } from './bodies.js';
import { encodeModel } from './codec/encode-model.js';
import { ModelError } from './codec/model-error.js';
import type { Evaluator } from './evaluator.js';
import {
  type Attribute,
  consumers,
  elementCount,
  type Graph,
  type Node,
  type ShapedGraph,
  type Tensor,
  type TensorType,
} from './graph.js';
import { isMadeUp } from './made-up-names.js';
import { canonicalise, chooseBranches } from './passes/index.js';
import { ELEMENT_BYTES, tensorNumbers } from './tensor.js';

/** Ops whose outputs depend on the shape of their input alone. */
const SHAPE_OPS: ReadonlySet<string> = new Set(['Shape', 'Size']);
/** Ops that give another result each time. */
const RANDOM_OPS: ReadonlySet<string> = new Set([
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Multinomial',
  'Bernoulli',
]);
/** Static ops that only lay an initializer out anew, so that the result is still that weight. */
const LAYOUT_OPS: ReadonlySet<string> = new Set(['Transpose', 'Reshape', 'Squeeze', 'Unsqueeze']);

/**
 * Whether a static node reads a parameter that is to be differentiated through it: rows of an embedding at
 * positions that the file fixes, copies of a token, or some of the positions [1, T, d] that are added. Its output
 * then counts as varying.
 * @param readers of its output
 */
function readsParameter(graph: Graph, node: Node, readers: readonly Node[]): boolean {
  const { domain, op, inputs } = node;
  const [source = ''] = inputs;
  const held = graph.initializers.get(source);
  if (domain !== '' || held?.dtype !== 'float32') return false;
  if (op === 'Gather') return held.shape.length === 2 && source.endsWith('.weight');
  if (held.shape.length < 2 || isMadeUp(source)) return false;
  if (op === 'Expand') return true;
  const isAdded = readers.length > 0 && readers.every((reader) => reader.op === 'Add');
  return op === 'Slice' && held.shape.length > 2 && held.shape[0] === 1 && isAdded;
}

/**
 * Runs the model once on zeros to learn all shapes, types and static contents; where that settles
 * which branch an If takes, once more with the branch in its place.
 * @param graph in canonical form
 * @param inputShapes the full shape of every input
 * @throws ModelError when the model does not run on inputs of these shapes
 */
export async function specialise(
  graph: Graph,
  inputShapes: ReadonlyMap<string, readonly number[]>,
  evaluator: Evaluator,
): Promise<ShapedGraph> {
  const { nodes, isStatic, origins } = splitStatic(graph);
  const varying = nodes.filter((node) => !node.outputs.some((value) => isStatic.has(value)));
  const wanted = staticInputs(varying, graph, isStatic);
  const values = varying.flatMap((node) => node.outputs.filter((value) => value !== ''));
  // A runtime opens no model without nodes.
  if (nodes.length === 0) return { ...graph, types: constantTypes(graph), origins };
  const feeds = new Map(
    graph.inputs.map((input) => [input.name, zeros(input.dtype, shapeOf(inputShapes, input.name))]),
  );
  const probe = withShapes(graph, nodes, values, wanted, evaluator);
  let answer: Awaited<ReturnType<Evaluator['evaluate']>>;
  try {
    answer = await evaluator.evaluate(probe.model, feeds, [...probe.shapes.values(), ...wanted]);
  } catch (cause) {
    throw new ModelError('model-fails', doesNotRun(graph, inputShapes, cause), cause);
  }
  const chosen = chooseBranches(graph, answer.tensors);
  if (chosen !== graph) return await specialise(canonicalise(chosen), inputShapes, evaluator);
  const types = new Map<string, TensorType>();
  for (const input of graph.inputs)
    types.set(input.name, { dtype: input.dtype, shape: shapeOf(inputShapes, input.name) });
  for (const value of values) {
    const shape = answer.tensors.get(probe.shapes.get(value) ?? '');
    const dtype = answer.dtypes.get(value);
    if (shape === undefined || dtype === undefined)
      throw new Error(`the evaluator did not tell the type of '${value}'`);
    types.set(value, { dtype, shape: tensorNumbers(shape) });
  }
  const initializers = new Map<string, Tensor>();
  const used = new Set([...varying.flatMap(reads), ...graph.outputs.map(({ name }) => name)]);
  for (const name of used) {
    const tensor = graph.initializers.get(name) ?? answer.tensors.get(name);
    if (tensor === undefined || types.has(name)) continue;
    initializers.set(name, tensor);
    types.set(name, { dtype: tensor.dtype, shape: tensor.shape });
  }
  const computed = new Set(
    [...initializers.keys()].filter((name) => !graph.initializers.has(name) && !origins.has(name)),
  );
  const inputs = graph.inputs.map((input) => ({
    ...input,
    shape: shapeOf(inputShapes, input.name),
  }));
  const outputs = graph.outputs.map((output) => {
    const type = types.get(output.name);
    return type === undefined ? output : { ...output, ...type };
  });
  return { ...graph, inputs, outputs, nodes: varying, initializers, types, origins, computed };
}

function constantTypes(graph: Graph): ReadonlyMap<string, TensorType> {
  return new Map(
    [...graph.initializers].map(([name, { dtype, shape }]) => [name, { dtype, shape }]),
  );
}

interface StaticSplit {
  /** All nodes; those that compute the same static value as an earlier one are left out. */
  readonly nodes: readonly Node[];
  readonly isStatic: ReadonlySet<string>;
  /** Static value -> the initializer that it is another layout of. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Finds the static values; equal static nodes become one, so that a tied weight stays one value. */
function splitStatic(graph: Graph): StaticSplit {
  const isStatic = new Set(graph.initializers.keys());
  const origins = new Map<string, string>();
  const replaced = new Map<string, string>();
  const byKey = new Map<string, Node>();
  /** Values whose names must stay: outputs, and what bodies read. */
  const named = new Set([
    ...graph.outputs.map(({ name }) => name),
    ...graph.nodes.flatMap((node) => [...captures(node)]),
  ]);
  const readers = consumers(graph);
  const nodes: Node[] = [];
  for (const original of graph.nodes) {
    const inputs = original.inputs.map((input) => replaced.get(input) ?? input);
    const node = inputs.some((input, index) => input !== original.inputs[index])
      ? { ...original, inputs }
      : original;
    const fixed =
      !RANDOM_OPS.has(node.op) &&
      !readsParameter(graph, node, readers.get(node.outputs[0] ?? '') ?? []) &&
      (SHAPE_OPS.has(node.op) || reads(node).every((value) => isStatic.has(value)));
    if (!fixed) {
      nodes.push(node);
      continue;
    }
    for (const output of node.outputs) if (output !== '') isStatic.add(output);
    const key = nodeKey(node);
    const same = node.outputs.some((output) => named.has(output)) ? undefined : byKey.get(key);
    if (same !== undefined && same.outputs.length === node.outputs.length) {
      node.outputs.forEach((output, index) => {
        replaced.set(output, same.outputs[index] as string);
      });
      continue;
    }
    byKey.set(key, node);
    nodes.push(node);
    const [source = ''] = inputs;
    if (LAYOUT_OPS.has(node.op) && (graph.initializers.has(source) || origins.has(source)))
      origins.set(node.outputs[0] as string, origins.get(source) ?? source);
  }
  return { nodes, isStatic, origins };
}

function nodeKey(node: Node): string {
  const attributes = Object.entries(node.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([node.domain, node.op, node.inputs, attributes], (_key, value: unknown) =>
    value instanceof Uint8Array
      ? Buffer.from(value).toString('base64')
      : typeof value === 'bigint'
        ? String(value)
        : value,
  );
}

/** Static values, other than initializers, that nodes outside the static part or the outputs read. */
function staticInputs(
  varying: readonly Node[],
  graph: Graph,
  isStatic: ReadonlySet<string>,
): readonly string[] {
  const read = [...varying.flatMap(reads), ...graph.outputs.map((o) => o.name)];
  return [...new Set(read)].filter(
    (value) => isStatic.has(value) && !graph.initializers.has(value),
  );
}

/** The model with the shape of every value, and every value itself for its type, as outputs. */
function withShapes(
  graph: Graph,
  nodes: readonly Node[],
  values: readonly string[],
  wanted: readonly string[],
  { constants }: Evaluator,
): { model: Uint8Array; shapes: ReadonlyMap<string, string> } {
  const shapes = new Map(values.map((value, index) => [value, `kl_shape_of_${index}`]));
  const shapeNodes = [...shapes].map(
    ([value, name]): Node => ({
      name,
      op: 'Shape',
      domain: '',
      inputs: [value],
      outputs: [name],
      attributes: {} satisfies Record<string, Attribute>,
      metadata: new Map(),
    }),
  );
  const outputs = [...shapes.values(), ...values, ...wanted].map((name) => ({
    name,
    dtype: 'float32' as const,
    shape: undefined,
  }));
  const model = encodeModel(
    { ...graph, nodes: [...nodes, ...shapeNodes], outputs },
    { untypedOutputs: true, constants },
  );
  return { model, shapes };
}

function shapeOf(shapes: ReadonlyMap<string, readonly number[]>, name: string): readonly number[] {
  const shape = shapes.get(name);
  if (shape === undefined) throw new Error(`no shape was given for the input '${name}'`);
  return shape;
}

function zeros(dtype: Tensor['dtype'], shape: readonly number[]): Tensor {
  if (dtype === 'string')
    throw new ModelError('unsupported-input', 'models with text inputs cannot be analysed');
  return { dtype, shape, bytes: new Uint8Array(elementCount(shape) * ELEMENT_BYTES[dtype]) };
}

function doesNotRun(
  graph: Graph,
  shapes: ReadonlyMap<string, readonly number[]>,
  cause: unknown,
): string {
  const inputs = graph.inputs
    .map(({ name }) => `'${name}' [${shapeOf(shapes, name).join(', ')}]`)
    .join(', ');
  const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0];
  return `the model does not run on inputs ${inputs}: ${reason}`;
}
