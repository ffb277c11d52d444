// What a layer is: a weight, its orientation, and the places where it is used.

/** A Gather of rows is an embedding: W holds them as columns, x is a unit vector. */
export type LayerOp = 'Gemm' | 'MatMul' | 'Conv' | 'ConvTranspose' | 'Gather';

/** One application of a weight: z = W x for one node of the graph. */
export interface LayerUse {
  /** Name of the node that multiplies by the weight. */
  readonly node: string;
  /** Value x: the layer's input as the graph has it (before unfolding); an embedding's indices. */
  readonly input: string;
  /** Value z: the node's output (bias added or not: the cotangent is the same). */
  readonly output: string;
  /** The axis of `input` and of `output` that holds the features (channels for convolutions). */
  readonly inputAxis: number;
  readonly outputAxis: number;
  /** Output positions P of one sample in this use (1 for a plain linear layer). */
  readonly positions: number;
}

/**
 * A weight matrix W [outDim, inDim] and all its uses. For a grouped convolution outDim and inDim
 * are those of one group's block; there are `groups` blocks.
 */
export interface Layer {
  /** PyTorch's module path where the file lets one recover it, else the node's name. */
  readonly name: string;
  readonly op: LayerOp;
  /** The initializer's name. */
  readonly weight: string;
  readonly outDim: number;
  readonly inDim: number;
  readonly groups: number;
  /** Output positions of one sample, summed over the uses. */
  readonly positions: number;
  /** Number of weights (bias excluded). */
  readonly params: number;
  /** The bias initializer, undefined where the layer has none. */
  readonly bias: string | undefined;
  /** Whether everything downstream of the layer is piecewise linear, so that hessian = ggn. */
  readonly piecewiseLinear: boolean;
  /** More than one for a tied weight. */
  readonly uses: readonly LayerUse[];
  /** The rows of W that the layer is about, outDim of them; undefined: all. */
  readonly rows?: readonly number[];
  /** The layer of the same weight in its other role, as embedding or as linear layer. */
  readonly tiedTo?: string;
  /** The file computes the weight from parameters, as where a convolution standardises its own. */
  readonly computed?: true;
  /** The file computes the bias, as where it is put together from parts. */
  readonly computedBias?: true;
}

/**
 * The name of the layer's weight among the parameters. One that the file computes is not called `<layer>.weight`:
 * the file's initializer of that name holds what it is computed from.
 */
export function weightName({ name, computed }: Pick<Layer, 'name' | 'computed'>): string {
  return computed ? `${name}.computed_weight` : `${name}.weight`;
}

/** The same of its bias, where the file's own name for that tells nothing. */
export function biasName({ name, computedBias }: Pick<Layer, 'name' | 'computedBias'>): string {
  return computedBias ? `${name}.computed_bias` : `${name}.bias`;
}

/** Whether the layer is an embedding, whose inputs are indices and E[x x^T] is diagonal. */
export function isEmbedding({ op }: Pick<Layer, 'op'>): boolean {
  return op === 'Gather';
}

/** Whether inputs and outputs are vectors along one axis: linear layers and embeddings. */
export function isVectorwise({ op }: Pick<Layer, 'op'>): boolean {
  return op === 'Gemm' || op === 'MatMul' || op === 'Gather';
}

/** A layer-like node that cannot be analysed, and why. */
export interface SkippedLayer {
  readonly name: string;
  readonly op: string;
  readonly reason: string;
}

/** An op without a rule, and the layers whose cotangents would have to cross it. */
export interface UnsupportedNode {
  readonly op: string;
  readonly node: string;
  readonly blocks: readonly string[];
}

export interface Discovery {
  /** Layers that can be analysed, in the graph's order. */
  readonly layers: readonly Layer[];
  /** Layer-like nodes that cannot, blocked ones included. */
  readonly skipped: readonly SkippedLayer[];
  readonly unsupported: readonly UnsupportedNode[];
}
