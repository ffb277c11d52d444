// The immutable graph that every later stage reads: nodes in topological order, constants, types.
import type { FunctionProto, ModelProto, NodeProto } from '../gen/kronlens/onnx/onnx_pb.js';
import { reads } from './bodies.js';

/**
 * Terminology. A *value* is a tensor in the graph, known by its name. An *initializer* is a value
 * whose contents the file holds. A value is *static* when it depends on initializers and on the
 * shapes of other values alone; after `specialise` static values are initializers.
 */
export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool'
  | 'string';

/** A dense row-major tensor. `bytes` are little-endian; they must not be modified. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** An ONNX attribute, in the kinds of the format; `other` keeps what we never look into. */
export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: Tensor }
  | { readonly kind: 'other'; readonly value: unknown };

export type Attributes = Readonly<Record<string, Attribute>>;

/** One operation. Absent optional inputs and outputs are ''. */
export interface Node {
  /** Unique in the graph. */
  readonly name: string;
  readonly op: string;
  /** '' is the standard ONNX domain. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
  /** The node's metadata_props, for example PyTorch's `pkg.torch.onnx.name_scopes`. */
  readonly metadata: ReadonlyMap<string, string>;
  /**
   * The opset of the standard domain that the node is written in, where it is not the graph's: a
   * function that was inlined may bring its own. Gone after the pass `upgrade`.
   */
  readonly opset?: number;
  /** What the codec keeps of the file's node beyond these fields (unknown fields, doc string). */
  readonly source?: NodeProto;
}

/** The type of a graph input or output as the file declares it; -1 and names are free dimensions. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | string)[] | undefined;
}

export interface Graph {
  /** The opset of the standard domain that the nodes are written in. */
  readonly opset: number;
  readonly irVersion: number;
  /** Inputs that are not initializers. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** In topological order. */
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** Opsets of the other domains. */
  readonly domains: ReadonlyMap<string, number>;
  /** The model's own functions; none after the pass `inline-functions`. */
  readonly functions?: readonly FunctionProto[];
  /** What the codec keeps of the file beyond these fields: the model without its graph's contents. */
  readonly source?: ModelProto;
}

export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A graph for one fixed batch size: every value's type is known, every static value is an initializer. */
export interface ShapedGraph extends Graph {
  readonly types: ReadonlyMap<string, TensorType>;
  /** Initializers that are another layout (transposed, reshaped) of one that the file has. */
  readonly origins?: ReadonlyMap<string, string>;
  /** Initializers that the file computes from others, beyond laying one out anew. */
  readonly computed?: ReadonlySet<string>;
}

/** The number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The type of `value`. @throws when the graph has no such value. */
export function typeOf(graph: ShapedGraph, value: string): TensorType {
  const type = graph.types.get(value);
  if (type === undefined) throw new Error(`graph has no value '${value}'`);
  return type;
}

/** The node that makes each value. */
export function producers(graph: Graph): ReadonlyMap<string, Node> {
  const map = new Map<string, Node>();
  for (const node of graph.nodes)
    for (const output of node.outputs) if (output !== '') map.set(output, node);
  return map;
}

/** The nodes that read each value, their bodies included, in topological order. */
export function consumers(graph: Graph): ReadonlyMap<string, readonly Node[]> {
  const map = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const input of reads(node)) {
      const list = map.get(input);
      if (list === undefined) map.set(input, [node]);
      else list.push(node);
    }
  }
  return map;
}
