// The type of a rule: all that this project knows of one ONNX op.
import type { GraphBuilder } from '../builder.js';
import type { DType, Node, Tensor, TensorType } from '../graph.js';

/**
 * Terminology. A *cotangent* of a value of shape s is a tensor of shape [C, ...s]: C columns that
 * are pulled back together in one reverse pass, outermost. A *VJP* maps the cotangents of a node's
 * outputs to those of its inputs, by emitting standard ONNX ops that have rules themselves.
 */
export interface VjpContext {
  /** The node, in canonical (opset 20) form. */
  readonly node: Node;
  /** C, the size of the cotangents' leading axis. */
  readonly columns: number;
  readonly build: GraphBuilder;
  /** The concrete type of a forward value: any input or output of the node. */
  type(value: string): TensorType;
  /** Contents of a forward value that is constant; undefined when it is not. */
  constant(value: string): Tensor | undefined;
  /** Whether the cotangent of input `index` is wanted; rules skip the work where it is not. */
  wants(index: number): boolean;
  /** The node's output `index`; an optional one that the node does not have yet is added to it. */
  output(index: number): string;
}

/**
 * Cotangents of the inputs, in input order; undefined where not wanted or zero.
 * @param cotangents one per output of the node, undefined where zero
 */
export type Vjp = (
  context: VjpContext,
  cotangents: readonly (string | undefined)[],
) => readonly (string | undefined)[];

/** How the output depends on the varying inputs. Piecewise linear has zero second derivative almost everywhere. */
export type Linearity = 'linear' | 'piecewise-linear' | 'smooth';

/** Which inputs of the node vary with the value one asks about; the others are held constant. */
export type LinearityOf = (node: Node, varies: readonly boolean[]) => Linearity;

/** A small case that the table's test differentiates; every rule has at least one. */
export interface OpExample {
  /** What is special about the case; unique within the op. */
  readonly name: string;
  /** The canonical node's attributes. */
  readonly attributes?: Node['attributes'];
  /** Shapes of the float inputs that are differentiated, and constants (axes, shapes, ...), in input order. */
  readonly inputs: readonly (ExampleInput | Tensor | undefined)[];
  /** Number of outputs of the node; default 1. */
  readonly outputs?: number;
}

export interface ExampleInput {
  readonly shape: readonly number[];
  /** Random values are drawn uniformly from here; default [-1, 1]. Keep away from kinks and poles. */
  readonly range?: readonly [number, number];
  /** All values differ by at least this much (max, pooling): a shuffled grid over the range. */
  readonly distinct?: boolean;
  /** Held fixed, not differentiated. */
  readonly fixed?: boolean;
  readonly dtype?: 'float32' | 'float64';
}

export interface OpRule {
  readonly op: string;
  /**
   * - a function: differentiable;
   * - 'constant': the outputs carry no derivative (shapes, comparisons, rounding).
   */
  readonly vjp: Vjp | 'constant';
  readonly linearity: Linearity | LinearityOf;
  /**
   * The VJP may return cotangents of the node's *output* shape for inputs that were broadcast;
   * the reverse loop sums them to the input's shape.
   */
  readonly broadcasts?: boolean;
  /**
   * Rewrites a node of an older opset into canonical form. `constant` adds an initializer, `fresh`
   * makes a name. Returns the nodes that replace it; the last outputs keep the node's names.
   * @throws UnsupportedFormError for forms that are refused (training-mode BatchNormalization)
   */
  readonly upgrade?: (node: Node, opset: number, context: UpgradeContext) => readonly Node[];
  readonly examples: readonly OpExample[];
}

export interface UpgradeContext {
  constant(tensor: Tensor): string;
  fresh(stem: string): string;
  /** Contents of a value that is an initializer. */
  initializer(value: string): Tensor | undefined;
  /** The rank of a value where the file tells; undefined otherwise. */
  rank(value: string): number | undefined;
  /** The element type of a value where the file tells; undefined otherwise. */
  dtype(value: string): DType | undefined;
}

/** A form of a supported op that this project refuses, with the reason. */
export class UnsupportedFormError extends Error {
  readonly code = 'unsupported-form';
  readonly node: Node;
  constructor(node: Node, reason: string) {
    super(`${node.op} '${node.name}': ${reason}`);
    this.node = node;
    this.name = 'UnsupportedFormError';
  }
}
