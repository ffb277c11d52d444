// A model whose parameters are inputs, and of which some get noise in a rotated basis.
import { InputRole } from '@kronlens/proto';
import {
  type Attributes,
  dependents,
  int,
  intAttribute,
  ints,
  type Node,
  type ShapedGraph,
  type Tensor,
  type TensorType,
  tensor,
  typeOf,
} from '../graph/index.js';
import { renamed } from '../graph/rename.js';
import { isEmbedding, type Layer, type LayerUse, weightName } from '../layers/index.js';
import type { Parameter } from './trainable-parameters.js';

/** An input that the graph needs beside the data. */
export interface ParameterInput {
  readonly name: string;
  readonly role: InputRole;
  readonly shape: readonly number[];
  readonly parameter: string;
}

/** x V of a layer whose input is the data alone: what a capture program may compute beforehand. */
export interface CapturedProjection {
  readonly name: string;
  /** x V as the graph emits it, [batch, ...positions, n]. */
  readonly value: string;
  readonly shape: readonly number[];
}

export interface PerturbedGraph {
  /** The model with the parameters no initializers any more. */
  readonly graph: ShapedGraph;
  readonly inputs: readonly ParameterInput[];
  readonly projections: readonly CapturedProjection[];
  /** The values of the parameters that got noise themselves, in the parameters' shapes. */
  readonly drawn: ReadonlyMap<string, string>;
}

/**
 * Where noise in a rotated basis goes.
 * - `weights`: always to the parameters;
 * - `cheapest`: to the activations where that is less work;
 * - `captured`: alike, with x V of layers that see the data alone as an input.
 */
export type NoisePlace = 'weights' | 'cheapest' | 'captured';

export const parameterInput = (parameter: string): string => `kl/parameter/${parameter}`;
export const noiseInput = (parameter: string): string => `kl/noise/${parameter}`;
const outputBasis = (layer: string): string => `kl/output_basis/${layer}`;
const inputBasis = (layer: string): string => `kl/input_basis/${layer}`;

export interface PerturbRequest {
  /** The model at this program's batch size. */
  readonly graph: ShapedGraph;
  readonly batch: number;
  /** Samples of a full batch: where noise is cheapest is decided for it. */
  readonly stepBatch: number;
  readonly parameters: readonly Parameter[];
}

/**
 * Makes the parameters inputs. Those of `rotated` get noise xi in the basis (U, V) of their layer:
 * W + U xi V^T, a bias b + U xi. Where that is less work, z = W x + U (xi (V^T x)) is computed instead,
 * which needs the rotated activations only.
 * @param rotated names of parameters of layers
 */
export function perturb(
  request: PerturbRequest,
  rotated: ReadonlySet<string>,
  place: NoisePlace,
): PerturbedGraph {
  const writer = new Perturbation(request, place);
  for (const parameter of request.parameters) writer.add(parameter, rotated.has(parameter.name));
  return writer.finish();
}

class Perturbation {
  readonly #graph: ShapedGraph;
  readonly #batch: number;
  readonly #stepBatch: number;
  readonly #noisePlace: NoisePlace;
  readonly #types: Map<string, TensorType>;
  readonly #initializers: Map<string, Tensor>;
  readonly #before: Node[] = [];
  /** Nodes that come in the place of a node of the model. */
  readonly #instead = new Map<string, readonly Node[]>();
  /** Initializers that are an input or a noisy parameter as it is. */
  readonly #renamed = new Map<string, string>();
  readonly #inputs: ParameterInput[] = [];
  readonly #projections: CapturedProjection[] = [];
  readonly #drawn = new Map<string, string>();
  /** Values that depend on any parameter. */
  readonly #varying: ReadonlySet<string>;
  readonly #nodes: ReadonlyMap<string, Node>;
  #count = 0;

  constructor({ graph, batch, stepBatch, parameters }: PerturbRequest, place: NoisePlace) {
    this.#graph = graph;
    this.#batch = batch;
    this.#stepBatch = stepBatch;
    this.#noisePlace = place;
    this.#types = new Map(graph.types);
    this.#initializers = new Map(graph.initializers);
    this.#nodes = new Map(graph.nodes.map((node) => [node.name, node]));
    const places = parameters.flatMap((parameter) => parameter.places);
    this.#varying = dependents(graph, new Set(places.map(({ initializer }) => initializer)));
    for (const { initializer } of places) this.#initializers.delete(initializer);
  }

  finish(): PerturbedGraph {
    const rename = (value: string) => this.#renamed.get(value) ?? value;
    const nodes = [
      ...this.#before,
      ...this.#graph.nodes
        .flatMap((node) => this.#instead.get(node.name) ?? [node])
        .map((node) => renamed(node, rename)),
    ];
    const graph = {
      ...this.#graph,
      nodes,
      initializers: this.#initializers,
      types: this.#types,
    };
    return {
      graph,
      inputs: this.#inputs,
      projections: this.#projections,
      drawn: this.#drawn,
    };
  }

  add(parameter: Parameter, rotated: boolean): void {
    const { name, shape } = parameter;
    const mean = this.#input(parameterInput(name), InputRole.PARAMETER, shape, name);
    this.#place(parameter, rotated ? this.#withNoise(parameter, mean) : mean);
  }

  /** The parameter with its noise, unless the noise goes to the activations. */
  #withNoise(parameter: Parameter, mean: string): string {
    const { name, part, layer, shape } = parameter;
    if (layer === undefined) throw new Error(`parameter '${name}' belongs to no layer`);
    const noise = this.#input(noiseInput(name), InputRole.NOISE, shape, name);
    const drawn = (rotated: string) => {
      const value = this.#emit('Add', [mean, rotated], shape);
      this.#drawn.set(name, value);
      return value;
    };
    if (part === 'bias') return drawn(this.#rotatedBias(layer, noise));
    if (this.#noiseOnActivations(parameter, layer)) {
      for (const use of layer.uses) this.#addToOutput(layer, use, noise);
      return mean;
    }
    return drawn(this.#rotatedWeight(layer, noise));
  }

  /** U xi V^T, [groups * m, n]; U xi of an embedding, whose E[x x^T] is diagonal. */
  #rotatedWeight(layer: Layer, noise: string): string {
    const { groups, outDim: m, inDim: n } = layer;
    const apart = this.#reshape(noise, [groups, m, n]);
    const u = this.#emit('Transpose', [this.#outputBasis(layer)], [groups, m, m], {
      perm: ints([0, 2, 1]),
    });
    const left = this.#emit('MatMul', [u, apart], [groups, m, n]);
    const both = isEmbedding(layer)
      ? left
      : this.#emit('MatMul', [left, this.#inputBasis(layer)], [groups, m, n]);
    return this.#reshape(both, [groups * m, n]);
  }

  /** U xi, [groups * m]: rows xi^T U^T. */
  #rotatedBias(layer: Layer, noise: string): string {
    const { groups, outDim: m } = layer;
    const rows = this.#reshape(noise, [groups, 1, m]);
    const rotated = this.#emit('MatMul', [rows, this.#outputBasis(layer)], [groups, 1, m]);
    return this.#reshape(rotated, [groups * m]);
  }

  /**
   * Whether multiply-adds with R rows of activations are fewer: forwards and backwards, and for the
   * cotangent of x where it is wanted, against two products forwards and two backwards of whole weights.
   */
  #noiseOnActivations({ places }: Parameter, layer: Layer): boolean {
    if (this.#noisePlace === 'weights') return false;
    if (layer.op !== 'Gemm' && layer.op !== 'MatMul') return false;
    if (places.length > layer.uses.length) return false;
    const { outDim: m, inDim: n } = layer;
    let work = 0;
    for (const use of layer.uses) {
      if (!this.#multipliesRows(use)) return false;
      const rows = use.positions * this.#stepBatch;
      work += 2 * rows * m * (m + n);
      if (this.#varying.has(use.input)) work += rows * n * (m + 2 * n);
      else if (!this.#isCaptured(use)) work += rows * n * n;
    }
    return work < 2 * m * n * (m + n);
  }

  /** z = x W^T with the features of x and z along their last axes. */
  #multipliesRows(use: LayerUse): boolean {
    const node = this.#nodes.get(use.node);
    if (node === undefined || node.inputs[0] !== use.input) return false;
    const shape = typeOf(this.#graph, use.input).shape;
    if (shape.length < 2 || use.inputAxis !== shape.length - 1) return false;
    return node.op === 'MatMul' || intAttribute(node, 'transA', 0) === 0;
  }

  #isCaptured(use: LayerUse): boolean {
    const [first] = typeOf(this.#graph, use.input).shape;
    return (
      this.#noisePlace === 'captured' && !this.#varying.has(use.input) && first === this.#batch
    );
  }

  /** z <- z + ((x V) xi^T) U^T. */
  #addToOutput(layer: Layer, use: LayerUse, noise: string): void {
    const { outDim: m } = layer;
    const node = this.#nodes.get(use.node);
    if (node === undefined) throw new Error(`graph has no node '${use.node}'`);
    const after: Node[] = [];
    const rows = use.positions * this.#batch;
    const projected = this.#projected(layer, use, after);
    const scaled = this.#emitInto(after, 'Gemm', [projected, noise], [rows, m], { transB: int(1) });
    const back = [scaled, this.#matrix(this.#outputBasis(layer), m)] as const;
    const turned = this.#emitInto(after, 'Gemm', back, [rows, m]);
    const type = typeOf(this.#graph, use.output);
    const added = this.#reshapeInto(after, turned, type.shape);
    const plain = `${use.output}/kl_mean`;
    this.#types.set(plain, type);
    const outputs = node.outputs.map((output) => (output === use.output ? plain : output));
    const add: Node = {
      ...nodeOf(`${use.node}/kl_noise`, 'Add', [plain, added]),
      outputs: [use.output],
    };
    this.#instead.set(node.name, [{ ...node, outputs }, ...after, add]);
  }

  /** x V, [rows, n]. */
  #projected(layer: Layer, use: LayerUse, into: Node[]): string {
    const { inDim: n } = layer;
    const rows = use.positions * this.#batch;
    const basis = this.#matrix(this.#inputBasis(layer), n);
    const x = this.#reshapeInto(into, use.input, [rows, n]);
    const projected = this.#emitInto(into, 'Gemm', [x, basis], [rows, n], { transB: int(1) });
    if (!this.#isCaptured(use)) return projected;
    const shape = typeOf(this.#graph, use.input).shape;
    const name = `kl/projected/${this.#projections.length}`;
    this.#types.set(name, { dtype: 'float32', shape });
    const value = this.#reshapeInto(into, projected, shape);
    this.#projections.push({ name, value, shape });
    return this.#reshapeInto(into, name, [rows, n]);
  }

  /** Lays the parameter out as the model's initializers hold it. */
  #place({ places }: Parameter, value: string): void {
    for (const { initializer, apart, perm } of places) {
      const { shape } = typeOf(this.#graph, initializer);
      let laidOut = value;
      if (perm === undefined && equal(this.#types.get(value)?.shape, shape)) {
        this.#renamed.set(initializer, value);
        continue;
      }
      if (perm !== undefined) {
        const axes = perm.map((axis) => apart[axis] ?? 0);
        const split = this.#reshape(value, apart);
        laidOut = this.#emit('Transpose', [split], axes, { perm: ints(perm) });
      }
      this.#before.push({
        ...nodeOf(`${initializer}/kl_place`, 'Reshape', [laidOut, this.#shape(shape)]),
        outputs: [initializer],
      });
    }
  }

  #outputBasis(layer: Layer): string {
    const { name, groups, outDim: m } = layer;
    return this.#input(
      outputBasis(name),
      InputRole.OUTPUT_BASIS,
      [groups, m, m],
      weightName(layer),
    );
  }

  #inputBasis(layer: Layer): string {
    const { name, groups, inDim: n } = layer;
    return this.#input(inputBasis(name), InputRole.INPUT_BASIS, [groups, n, n], weightName(layer));
  }

  /** A basis of one group as a matrix. */
  #matrix(basis: string, size: number): string {
    return this.#reshape(basis, [size, size]);
  }

  #input(name: string, role: InputRole, shape: readonly number[], parameter: string): string {
    if (this.#inputs.some((input) => input.name === name)) return name;
    this.#inputs.push({ name, role, shape, parameter });
    this.#types.set(name, { dtype: 'float32', shape });
    return name;
  }

  #emit(
    op: string,
    inputs: readonly string[],
    shape: readonly number[],
    attributes: Attributes = {},
  ): string {
    return this.#emitInto(this.#before, op, inputs, shape, attributes);
  }

  #emitInto(
    into: Node[],
    op: string,
    inputs: readonly string[],
    shape: readonly number[],
    attributes: Attributes = {},
  ): string {
    const name = `kl/perturb/${this.#count++}`;
    into.push({ ...nodeOf(name, op, inputs), attributes });
    this.#types.set(name, { dtype: 'float32', shape });
    return name;
  }

  #reshape(value: string, shape: readonly number[]): string {
    return this.#reshapeInto(this.#before, value, shape);
  }

  #reshapeInto(into: Node[], value: string, shape: readonly number[]): string {
    if (equal(this.#types.get(value)?.shape, shape)) return value;
    return this.#emitInto(into, 'Reshape', [value, this.#shape(shape)], shape);
  }

  #shape(shape: readonly number[]): string {
    const name = `kl/shape/${shape.join('x')}`;
    if (!this.#initializers.has(name)) {
      const contents = tensor.intTensor(shape);
      this.#initializers.set(name, contents);
      this.#types.set(name, { dtype: 'int64', shape: [shape.length] });
    }
    return name;
  }
}

function equal(a: readonly number[] | undefined, b: readonly number[]): boolean {
  return a !== undefined && a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function nodeOf(name: string, op: string, inputs: readonly string[]): Node {
  return {
    name,
    op,
    domain: '',
    inputs: [...inputs],
    outputs: [name],
    attributes: {},
    metadata: new Map(),
  };
}
