// Checks an op's rule against finite differences at orders 1 and 2, its claims and its closedness.
import { GraphBuilder } from '../builder.js';
import type { DType, Graph, Node, ShapedGraph, Tensor, TensorType, ValueInfo } from '../graph.js';
import { elementCount, typeOf } from '../graph.js';
import { pullBack } from '../reverse.js';
import { floatTensor, tensorNumbers } from '../tensor.js';
import type { ExampleInput, OpExample, OpRule } from './op-rule.js';
import { opRule } from './table.js';

/** How the check executes graphs. */
export interface CheckRuntime {
  /** The graph with every value's type and with its static values folded. */
  shape(graph: Graph): Promise<ShapedGraph>;
  /** All outputs of the graph. */
  run(graph: Graph, feeds: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>>;
}

type Point = ReadonlyMap<string, Tensor>;
type Random = () => number;

/** Relative tolerances: finite differences, and two programs that compute the same. */
const TOLERANCE = { float64: { slope: 1e-7, same: 1e-11 }, float32: { slope: 4e-4, same: 1e-4 } };
/** Columns at order 1 and at order 2. */
const COLUMNS = [3, 2] as const;

/**
 * Everything that is wrong with `rule` in this example, one sentence each; empty when all is well.
 *
 * Checked: finite outputs; VJP against a fourth-order difference along a random direction, at order
 * 1 and, differentiating the VJP's own program, at order 2, with all inputs varying and with each
 * alone (the others constant); one column equals the same column of several; every emitted op is in
 * the table; the linearity claim for every subset of varying inputs; 'constant' rules are constant.
 */
export async function checkRule(
  rule: OpRule,
  example: OpExample,
  runtime: CheckRuntime,
): Promise<readonly string[]> {
  const random = generator(`${rule.op} ${example.name}`);
  const names = example.inputs.map((input, index) => (input === undefined ? '' : `x${index}`));
  const values = new Map<string, Tensor>();
  const free: string[] = [];
  const fixed: string[] = [];
  let spacing = Infinity;
  example.inputs.forEach((input, index) => {
    if (input === undefined || 'bytes' in input) return;
    const name = `x${index}`;
    const drawn = draw(input, random);
    values.set(name, drawn.value);
    spacing = Math.min(spacing, drawn.spacing);
    (input.fixed === true ? fixed : free).push(name);
  });
  const constants = new Map<string, Tensor>();
  example.inputs.forEach((input, index) => {
    if (input !== undefined && 'bytes' in input) constants.set(`x${index}`, input);
  });
  const check = new Check(rule, example, runtime, random, spacing, names, values, constants);
  return await check.all(free, fixed);
}

class Check {
  readonly #problems: string[] = [];
  readonly #rule: OpRule;
  readonly #example: OpExample;
  readonly #runtime: CheckRuntime;
  readonly #random: Random;
  readonly #spacing: number;
  readonly #names: readonly string[];
  readonly #values: Point;
  readonly #constants: Point;

  constructor(
    rule: OpRule,
    example: OpExample,
    runtime: CheckRuntime,
    random: Random,
    spacing: number,
    names: readonly string[],
    values: Point,
    constants: Point,
  ) {
    this.#rule = rule;
    this.#example = example;
    this.#runtime = runtime;
    this.#random = random;
    this.#spacing = spacing;
    this.#names = names;
    this.#values = values;
    this.#constants = constants;
  }

  async all(free: readonly string[], fixed: readonly string[]): Promise<readonly string[]> {
    const base = await this.#forward([...free, ...fixed]);
    await this.#run(base, this.#values);
    if (free.length === 0) return this.#problems;
    if (this.#rule.vjp === 'constant') {
      await this.#linearity(base, free, 'constant');
      return this.#problems;
    }
    for (const subset of subsets(free)) {
      const varies = this.#names.map((name) => subset.includes(name));
      const { linearity } = this.#rule;
      const claim = typeof linearity === 'string' ? linearity : linearity(nodeOf(base), varies);
      await this.#linearity(base, subset, claim);
    }
    await this.#orders(base, free, `all of ${free.join(', ')}`, 0);
    const alone = free.length > 1 ? free : fixed.length > 0 ? free : [];
    for (const name of alone) await this.#orders(await this.#forward([name]), [name], name, 0);
    return this.#problems;
  }

  /** The one-node graph whose inputs are `inputs`; all other values are initializers. */
  async #forward(inputs: readonly string[]): Promise<ShapedGraph> {
    const count = this.#example.outputs ?? 1;
    const outputs = Array.from({ length: count }, (_, index) => `y${index}`);
    const node: Node = {
      name: 'node',
      op: this.#rule.op,
      domain: '',
      inputs: this.#names,
      outputs,
      attributes: this.#example.attributes ?? {},
      metadata: new Map(),
    };
    const shaped = await this.#runtime.shape({
      opset: 20,
      irVersion: 9,
      inputs: inputs.map((name) => info(name, typeFrom(this.#values.get(name)))),
      outputs: outputs.map((name) => ({ name, dtype: 'float32', shape: undefined })),
      nodes: [node],
      initializers: new Map(
        [...this.#values, ...this.#constants].filter(([name]) => !inputs.includes(name)),
      ),
      domains: new Map(),
    });
    // An example without inputs that vary is static as a whole.
    if (shaped.nodes.length === 0) return { ...shaped, outputs: [] };
    return { ...shaped, outputs: outputs.map((name) => info(name, typeOf(shaped, name))) };
  }

  async #linearity(graph: ShapedGraph, varying: readonly string[], claim: string): Promise<void> {
    const point = this.#feeds(graph, this.#values);
    const direction = this.#direction(graph, varying);
    const at = (t: number) => this.#run(graph, moved(point, direction, t));
    if (claim === 'constant') {
      const step = this.#step(point);
      const [here, there] = [await at(0), await at(step)];
      const change = Math.max(0, ...floats(graph).map((y) => distance(here, there, y)));
      if (change !== 0) this.#problem(`is declared constant and changes with ${varying}`);
    } else if (claim !== 'smooth') {
      const step = claim === 'linear' ? 0.75 : this.#step(point);
      const [left, here, right] = [await at(-step), await at(0), await at(step)];
      for (const y of floats(graph)) {
        const [a, b, c] = [left, here, right].map((p) => tensorNumbers(get(p, y)));
        const tolerance = TOLERANCE[widthOf(get(here, y))].same * 10;
        (b as number[]).forEach((middle, index) => {
          const [before, after] = [(a as number[])[index] ?? NaN, (c as number[])[index] ?? NaN];
          const bend = Math.abs(before + after - 2 * middle);
          if (!(bend <= tolerance * Math.max(1, Math.abs(middle), Math.abs(before))))
            this.#problem(`claims to be ${claim} in ${varying} but bends by ${bend}`);
        });
      }
    }
  }

  async #orders(
    graph: ShapedGraph,
    targets: readonly string[],
    label: string,
    order: number,
    values: Point = this.#values,
  ): Promise<void> {
    const columns = COLUMNS[order] ?? 1;
    const where = `order ${order + 1}, varying ${label}`;
    const program = await this.#pull(graph, targets, columns, order);
    const seeds = new Map(
      program.seeds.map((seed) => [seed.name, draw(seed, this.#random).value] as const),
    );
    const at = new Map([...values, ...seeds]);
    const result = await this.#run(program.graph, at);
    const cotangent = (target: string): Tensor | undefined => {
      const name = program.cotangents.get(target);
      return name === undefined ? undefined : (result.get(name) ?? at.get(name));
    };
    for (const target of targets) {
      const value = cotangent(target);
      const expected = [columns, ...typeOf(graph, target).shape];
      if (value !== undefined && value.shape.join() !== expected.join())
        this.#problem(`${where}: cotangent of ${target} is [${value.shape}], not [${expected}]`);
    }
    await this.#slopes(graph, targets, values, seeds, cotangent, columns, where);
    if (order === 0) await this.#oneColumn(graph, targets, at, cotangent, where);
    if (order + 1 < COLUMNS.length && program.graph.outputs.length > 0) {
      const inner = program.graph.inputs.map((input) => input.name);
      const wanted = [...targets, ...seeds.keys()].filter((name) => inner.includes(name));
      await this.#orders(program.graph, wanted, label, order + 1, at);
    }
  }

  /** The VJP's program for float outputs; its outputs are the cotangents that nodes compute. */
  async #pull(graph: ShapedGraph, targets: readonly string[], columns: number, order: number) {
    const builder = new GraphBuilder(graph);
    const outputs = floats(graph);
    const seeds = outputs.map((name) => {
      const { dtype, shape } = typeOf(graph, name);
      return info(`seed${order}_${name}`, { dtype, shape: [columns, ...shape] });
    });
    const cotangents = pullBack({
      graph,
      builder,
      seeds: new Map(outputs.map((name, index) => [name, (seeds[index] as ValueInfo).name])),
      columns,
      targets,
    });
    const names = new Set(builder.nodes.flatMap((node) => node.outputs));
    const computed = [...new Set(cotangents.values())].filter((name) => names.has(name));
    const built = builder.build(
      computed.map((name) => ({ name, dtype: 'float32', shape: undefined })),
      seeds,
    );
    for (const node of built.nodes)
      if (opRule(node.op) === undefined) this.#problem(`emits ${node.op}, which has no rule`);
    // Where every cotangent is a seed itself there is nothing to execute.
    const shaped =
      computed.length === 0
        ? { ...built, types: new Map<string, TensorType>() }
        : await this.#runtime.shape(built);
    const typed = computed.map((name) => info(name, typeOf(shaped, name)));
    return {
      graph: { ...shaped, outputs: typed },
      cotangents,
      seeds: seeds.map((seed) => ({
        name: seed.name,
        shape: seed.shape as readonly number[],
        dtype: widthOf(seed),
      })),
    };
  }

  /** <cotangent, direction> against the derivative of <seed, output> along the direction. */
  async #slopes(
    graph: ShapedGraph,
    targets: readonly string[],
    values: Point,
    seeds: Point,
    cotangent: (target: string) => Tensor | undefined,
    columns: number,
    where: string,
  ): Promise<void> {
    const direction = this.#direction(graph, targets);
    const point = this.#feeds(graph, values);
    const h = this.#step(point);
    const outputs = floats(graph);
    const slope = new Map<string, number[]>(outputs.map((y) => [y, []]));
    for (const [steps, weight] of [
      [-2, 1],
      [-1, -8],
      [1, 8],
      [2, -1],
    ] as const) {
      const there = await this.#run(graph, moved(point, direction, steps * h));
      for (const y of outputs) {
        const sum = slope.get(y) as number[];
        tensorNumbers(get(there, y)).forEach((value, index) => {
          sum[index] = (sum[index] ?? 0) + (weight * value) / (12 * h);
        });
      }
    }
    const seedNames = [...seeds.keys()];
    const coarse = [...graph.types.values()].some(({ dtype }) => dtype === 'float32');
    const width = coarse ? 'float32' : 'float64';
    for (let column = 0; column < columns; column++) {
      let expected = 0;
      let got = 0;
      let scale = 1;
      outputs.forEach((y, index) => {
        const seed = columnOf(get(seeds, seedNames[index] as string), column);
        const s = slope.get(y) as number[];
        expected += dot(seed, s);
        scale = Math.max(scale, Math.sqrt(dot(s, s)));
      });
      for (const target of targets) {
        const g = cotangent(target);
        if (g !== undefined) got += dot(columnOf(g, column), direction.get(target) as number[]);
      }
      if (!(Math.abs(expected - got) <= TOLERANCE[width].slope * scale))
        this.#problem(`${where}, column ${column}: VJP gives ${got}, differences ${expected}`);
    }
  }

  async #oneColumn(
    graph: ShapedGraph,
    targets: readonly string[],
    at: Point,
    cotangent: (target: string) => Tensor | undefined,
    where: string,
  ): Promise<void> {
    const single = await this.#pull(graph, targets, 1, 0);
    const feeds = new Map(at);
    for (const { name, shape, dtype } of single.seeds)
      feeds.set(name, floatTensor(columnOf(get(at, name), 1), shape, dtype));
    const result = await this.#run(single.graph, feeds);
    for (const target of targets) {
      const name = single.cotangents.get(target);
      const several = cotangent(target);
      if (name === undefined || several === undefined) {
        if ((name === undefined) !== (several === undefined))
          this.#problem(`${where}: cotangent of ${target} depends on the number of columns`);
        continue;
      }
      const one = tensorNumbers(result.get(name) ?? get(feeds, name));
      const tolerance = TOLERANCE[widthOf(several)].same;
      columnOf(several, 1).forEach((value, index) => {
        if (!(Math.abs(value - (one[index] ?? NaN)) <= tolerance * Math.max(1, Math.abs(value))))
          this.#problem(`${where}: column of ${target} differs when it is pulled back alone`);
      });
    }
  }

  async #run(graph: Graph, values: Point): Promise<Point> {
    if (graph.outputs.length === 0) return new Map();
    const outputs = await this.#runtime.run(graph, this.#feeds(graph, values));
    for (const [name, tensor] of outputs)
      if (isFloat(tensor.dtype) && !tensorNumbers(tensor).every(Number.isFinite))
        this.#problem(`value ${name} is not finite`);
    return outputs;
  }

  #feeds(graph: Graph, values: Point): Point {
    return new Map(graph.inputs.map(({ name }) => [name, get(values, name)]));
  }

  #direction(graph: ShapedGraph, names: readonly string[]): ReadonlyMap<string, number[]> {
    return new Map(
      names.map((name) => [
        name,
        Array.from(
          { length: elementCount(typeOf(graph, name).shape) },
          () => 2 * this.#random() - 1,
        ),
      ]),
    );
  }

  /** Twice the step stays within half the spacing of distinct values; large where rounding is coarse. */
  #step(point: Point): number {
    const coarse = [...point.values()].some((tensor) => tensor.dtype === 'float32');
    return Math.min(coarse ? 1 / 16 : 1e-3, this.#spacing / 5);
  }

  #problem(text: string): void {
    const sentence = `${this.#rule.op} '${this.#example.name}': ${text}`;
    if (!this.#problems.includes(sentence)) this.#problems.push(sentence);
  }
}

/** Uniform numbers in [0, 1) from a seed of text (mulberry32 over an FNV-1a hash). */
function generator(seed: string): Random {
  let state = 2166136261;
  for (const char of seed) state = Math.imul(state ^ (char.codePointAt(0) ?? 0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function draw(input: ExampleInput, random: Random): { value: Tensor; spacing: number } {
  const [low, high] = input.range ?? [-1, 1];
  const count = elementCount(input.shape);
  const dtype = input.dtype ?? 'float64';
  if (input.distinct !== true) {
    const values = Array.from({ length: count }, () => low + (high - low) * random());
    return { value: floatTensor(values, input.shape, dtype), spacing: Infinity };
  }
  const spacing = (high - low) / count;
  const grid = Array.from({ length: count }, (_, index) => low + (index + 0.5) * spacing);
  for (let index = count - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [grid[index], grid[other]] = [grid[other] as number, grid[index] as number];
  }
  return { value: floatTensor(grid, input.shape, dtype), spacing };
}

function subsets(names: readonly string[]): readonly (readonly string[])[] {
  return Array.from({ length: 2 ** names.length - 1 }, (_, bits) =>
    names.filter((_name, index) => ((bits + 1) >> index) & 1),
  );
}

function moved(point: Point, direction: ReadonlyMap<string, number[]>, t: number): Point {
  const to = new Map(point);
  for (const [name, d] of direction) {
    const from = get(point, name);
    const values = tensorNumbers(from).map((value, index) => value + t * (d[index] ?? 0));
    to.set(name, floatTensor(values, from.shape, widthOf(from)));
  }
  return to;
}

function nodeOf(graph: Graph): Node {
  const [node] = graph.nodes;
  if (node === undefined) throw new Error('the graph of an example has one node');
  return node;
}

function get(point: Point, name: string): Tensor {
  const tensor = point.get(name);
  if (tensor === undefined) throw new Error(`no value '${name}'`);
  return tensor;
}

function floats(graph: ShapedGraph): readonly string[] {
  return graph.outputs.map(({ name }) => name).filter((name) => isFloat(typeOf(graph, name).dtype));
}

function columnOf(tensor: Tensor, column: number): number[] {
  const size = elementCount(tensor.shape.slice(1));
  return tensorNumbers(tensor).slice(column * size, (column + 1) * size);
}

function distance(a: Point, b: Point, name: string): number {
  const other = tensorNumbers(get(b, name));
  return tensorNumbers(get(a, name)).reduce(
    (most, value, index) => Math.max(most, Math.abs(value - (other[index] ?? NaN))),
    0,
  );
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? NaN), 0);
}

function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64';
}

function widthOf({ dtype }: { readonly dtype: DType }): 'float32' | 'float64' {
  return dtype === 'float32' ? 'float32' : 'float64';
}

function typeFrom(tensor: Tensor | undefined): TensorType {
  if (tensor === undefined) throw new Error('an input of an example has no value');
  return { dtype: tensor.dtype, shape: tensor.shape };
}

function info(name: string, { dtype, shape }: TensorType): ValueInfo {
  return { name, dtype, shape };
}
