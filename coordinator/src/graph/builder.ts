// Emits nodes into a program that grows out of a graph; equal emissions share one node.
import { reads } from './bodies.js';
import type { Attribute, Attributes, Graph, Node, Tensor } from './graph.js';
import { floatTensor, intTensor } from './tensor.js';

/**
 * Names are fresh and deterministic: the same calls give the same program, byte for byte.
 * Only ops of the standard domain at the graph's (canonical) opset are emitted.
 */
export class GraphBuilder {
  readonly #nodes: Node[];
  readonly #initializers: Map<string, Tensor>;
  readonly #byKey = new Map<string, readonly string[]>();
  readonly #taken = new Set<string>();
  readonly #forward = new Map<string, number>();
  readonly #shapes = new Map<
    string,
    { readonly value: string; readonly shape: readonly number[] }
  >();
  readonly #scaled = new Map<string, { readonly value: string; readonly factor: string }>();
  #counter = 0;

  readonly base: Graph;

  constructor(base: Graph) {
    this.base = base;
    this.#nodes = [...base.nodes];
    this.#initializers = new Map(base.initializers);
    for (const input of base.inputs) this.#taken.add(input.name);
    for (const name of base.initializers.keys()) this.#taken.add(name);
    base.nodes.forEach((node, position) => {
      this.#forward.set(node.name, position);
      for (const output of node.outputs) this.#taken.add(output);
    });
  }

  /** Emits `op` with one output and returns the output's name. */
  emit(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const [output] = this.emitMany(op, inputs, attributes, 1);
    return output as string;
  }

  /** Emits `op` with `count` outputs. */
  emitMany(
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    count: number,
  ): readonly string[] {
    const key = JSON.stringify(
      [op, inputs, count, Object.entries(attributes).sort(byName)],
      jsonSafe,
    );
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const outputs = Array.from({ length: count }, () => this.#fresh(op));
    this.#nodes.push({
      name: outputs[0] as string,
      op,
      domain: '',
      inputs: [...inputs],
      outputs,
      attributes,
      metadata: new Map(),
    });
    this.#byKey.set(key, outputs);
    return outputs;
  }

  /** Adds a constant and returns its name. */
  constant(tensor: Tensor): string {
    const shared = tensor.bytes.byteLength <= 4096;
    const key = shared
      ? `const ${tensor.dtype} ${tensor.shape.join(',')} ${Buffer.from(tensor.bytes).toString('base64')}`
      : '';
    const known = shared ? this.#byKey.get(key) : undefined;
    if (known !== undefined) return known[0] as string;
    const name = this.#fresh('const');
    this.#initializers.set(name, tensor);
    if (shared) this.#byKey.set(key, [name]);
    return name;
  }

  /** An int64 constant vector: shapes, axes, pads. */
  ints(values: readonly number[]): string {
    return this.constant(intTensor(values));
  }

  /** A floating-point scalar constant. */
  scalar(value: number, dtype: 'float32' | 'float64'): string {
    return this.constant(floatTensor([value], [], dtype));
  }

  /** Reshape to a concrete shape; a value that `shaped` knows is found again behind any reshapes. */
  reshape(value: string, shape: readonly number[]): string {
    const origin = this.#shapes.get(value);
    if (origin === undefined) return this.emit('Reshape', [value, this.ints(shape)]);
    if (String(origin.shape) === String(shape)) return origin.value;
    const output = this.emit('Reshape', [origin.value, this.ints(shape)]);
    this.#shapes.set(output, origin);
    return output;
  }

  /** Notes the shape of a value, so that reshaping it back takes no copy at the end of a program. */
  shaped(value: string, shape: readonly number[]): string {
    this.#shapes.set(value, { value, shape });
    return value;
  }

  /**
   * cotangent * factor, for a factor without the column axis. Of two factors in a row (a pooling's
   * mask, then a ReLU's) the product is formed first, once for all columns.
   */
  scaled(cotangent: string, factor: string): string {
    const before = this.#scaled.get(cotangent);
    const value = before?.value ?? cotangent;
    const total = before === undefined ? factor : this.emit('Mul', [before.factor, factor]);
    const output = this.emit('Mul', [value, total]);
    this.#scaled.set(output, { value, factor: total });
    return output;
  }

  /** Gives a value a name of its own, for a program's outputs. */
  alias(value: string, name: string): string {
    if (this.#taken.has(name)) throw new Error(`the name '${name}' is taken`);
    this.#taken.add(name);
    this.#nodes.push({
      name,
      op: 'Identity',
      domain: '',
      inputs: [value],
      outputs: [name],
      attributes: {},
      metadata: new Map(),
    });
    return name;
  }

  /** Output `index` of a node of the base graph; an optional output that is absent is added. */
  forwardOutput(node: Node, index: number): string {
    const position = this.#forward.get(node.name);
    if (position === undefined) throw new Error(`node '${node.name}' is not of the base graph`);
    const current = this.#nodes[position] as Node;
    const present = current.outputs[index];
    if (present !== undefined && present !== '') return present;
    const outputs = [...current.outputs];
    while (outputs.length <= index) outputs.push('');
    const name = this.#fresh(`${node.op}_extra`);
    outputs[index] = name;
    this.#nodes[position] = { ...current, outputs };
    return name;
  }

  /** The contents of an initializer, or undefined when `value` is not constant. */
  initializer(value: string): Tensor | undefined {
    return this.#initializers.get(value);
  }

  /** The nodes so far, in topological order. */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /** The program so far, with the given outputs; dead nodes and constants are left out. */
  build(outputs: Graph['outputs'], extraInputs: Graph['inputs'] = []): Graph {
    const needed = new Set(outputs.map((output) => output.name));
    const nodes: Node[] = [];
    for (const node of [...this.#nodes].reverse()) {
      if (!node.outputs.some((output) => output !== '' && needed.has(output))) continue;
      for (const input of reads(node)) needed.add(input);
      nodes.push(node);
    }
    return {
      ...this.base,
      inputs: [...this.base.inputs, ...extraInputs].filter((input) => needed.has(input.name)),
      outputs,
      nodes: nodes.reverse(),
      initializers: new Map([...this.#initializers].filter(([name]) => needed.has(name))),
    };
  }

  #fresh(stem: string): string {
    for (;;) {
      const name = `kl_${stem}_${this.#counter++}`;
      if (!this.#taken.has(name)) {
        this.#taken.add(name);
        return name;
      }
    }
  }
}

function byName(a: readonly [string, Attribute], b: readonly [string, Attribute]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}

function jsonSafe(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}
