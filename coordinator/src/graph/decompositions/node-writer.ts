// Writes the nodes that a composite op stands for.
import { int, ints } from '../attributes.js';
import { ELEMENT_TYPE } from '../codec/format.js';
import type { Attributes, DType, Node, Tensor } from '../graph.js';
import type { OpRule, UpgradeContext } from '../ops/op-rule.js';
import { floatTensor, intTensor } from '../tensor.js';

/** Rewrites a node into the nodes that it stands for, in the form of opset 20. */
export type Decomposition = NonNullable<OpRule['upgrade']>;

/**
 * The node is of a form that cannot be rewritten. It stays, and blocks only the layers whose
 * cotangents would have to cross it.
 */
export class NotRewritten extends Error {}

/**
 * Collects the nodes that take the place of one node. They carry its metadata; where layers get
 * their names from the metadata, a layer inside a composite op is called like the op.
 */
export class NodeWriter {
  readonly nodes: Node[] = [];
  readonly node: Node;
  readonly opset: number;
  readonly #context: UpgradeContext;

  constructor(node: Node, opset: number, context: UpgradeContext) {
    this.node = node;
    this.opset = opset;
    this.#context = context;
  }

  /** The node's input `index`, '' where it is absent. */
  input(index: number): string {
    return this.node.inputs[index] ?? '';
  }

  /** The node's input `index`. @throws NotRewritten where it is absent */
  required(index: number): string {
    const value = this.input(index);
    if (value === '') throw new NotRewritten();
    return value;
  }

  /** Whether the node has output `index`. */
  has(index: number): boolean {
    return (this.node.outputs[index] ?? '') !== '';
  }

  /** Emits a node with one output and returns the output. */
  emit(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const output = this.#context.fresh(`${this.node.name}_${op}`);
    this.#push(output, op, inputs, [output], attributes);
    return output;
  }

  /** Emits a node with `count` outputs. */
  emitMany(op: string, inputs: readonly string[], attributes: Attributes, count: number): string[] {
    const name = this.#context.fresh(`${this.node.name}_${op}`);
    const outputs = Array.from({ length: count }, (_, index) =>
      this.#context.fresh(`${name}_${index}`),
    );
    this.#push(name, op, inputs, outputs, attributes);
    return outputs;
  }

  /** Emits the node that makes output `index` of the node that is replaced. */
  result(op: string, inputs: readonly string[], attributes: Attributes = {}, index = 0): void {
    const output = this.node.outputs[index] ?? '';
    if (output === '') return;
    const name = index === 0 ? this.node.name : this.#context.fresh(`${this.node.name}_${op}`);
    this.#push(name, op, inputs, [output], attributes);
  }

  constant(tensor: Tensor): string {
    return this.#context.constant(tensor);
  }

  /** An int64 constant vector. */
  ints(...values: number[]): string {
    return this.#context.constant(intTensor(values));
  }

  /** An int64 scalar constant. */
  integer(value: number): string {
    return this.#context.constant(intTensor([value], []));
  }

  /** A scalar constant of the element type of the node's first input. */
  number(value: number): string {
    const dtype = this.dtype();
    const wide = dtype === 'float64' ? 'float64' : 'float32';
    const constant = this.#context.constant(floatTensor([value], [], wide));
    return dtype === wide
      ? constant
      : this.emit('Cast', [constant], { to: int(ELEMENT_TYPE[dtype]) });
  }

  /** The rank of a value of the file, where the file tells. */
  rank(value: string): number | undefined {
    return this.#context.rank(value);
  }

  /** The element type of a value, where the file tells. */
  dtypeOf(value: string): DType | undefined {
    return this.#context.dtype(value);
  }

  /** The floating-point type of the node's first input; float32 where the file does not tell. */
  dtype(): 'float32' | 'float64' | 'float16' | 'bfloat16' {
    const dtype = this.#context.dtype(this.input(0));
    return dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16' ? dtype : 'float32';
  }

  /** Contents of a value that is an initializer. */
  initializer(value: string): ReturnType<UpgradeContext['initializer']> {
    return this.#context.initializer(value);
  }

  /** Reshape to a constant shape, in which 0 copies a size and -1 is what remains. */
  reshape(value: string, ...shape: number[]): string {
    return this.emit('Reshape', [value, this.ints(...shape)]);
  }

  transpose(value: string, ...permutation: number[]): string {
    return this.emit('Transpose', [value], { perm: ints(permutation) });
  }

  /** Elements [start, end) along one axis. */
  slice(value: string, axis: number, start: number, end: number): string {
    return this.emit('Slice', [value, this.ints(start), this.ints(end), this.ints(axis)]);
  }

  /** Sizes of a value along some axes, an int64 vector; folded once shapes are fixed. */
  sizes(value: string, ...axes: number[]): string {
    return this.emit('Gather', [this.emit('Shape', [value]), this.ints(...axes)]);
  }

  #push(
    name: string,
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Attributes,
  ): void {
    const { metadata } = this.node;
    this.nodes.push({ name, op, domain: '', inputs, outputs, attributes, metadata });
  }
}

/** A decomposition from what it writes. */
export function composed(write: (writer: NodeWriter, node: Node) => void): Decomposition {
  return (node, opset, context) => {
    const writer = new NodeWriter(node, opset, context);
    try {
      write(writer, node);
    } catch (cause) {
      if (cause instanceof NotRewritten) return [node];
      throw cause;
    }
    return writer.nodes;
  };
}
