// Names that a graph does not use yet.
import type { Graph } from './graph.js';

/** Hands out names; the same calls give the same names. */
export class FreshNames {
  readonly #taken: Set<string>;
  readonly #next = new Map<string, number>();

  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken);
  }

  /** `stem` itself where it is free, else with a number behind. */
  take(stem: string): string {
    let name = stem;
    while (this.#taken.has(name)) {
      const number = this.#next.get(stem) ?? 2;
      this.#next.set(stem, number + 1);
      name = `${stem}#${number}`;
    }
    this.#taken.add(name);
    return name;
  }
}

/** The names of all values of the graph, bodies aside. */
export function valueNames(graph: Graph): string[] {
  return [
    ...graph.inputs.map((input) => input.name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap((node) => node.outputs),
  ];
}

/** The names of all nodes of the graph. */
export function nodeNames(graph: Graph): string[] {
  return graph.nodes.map((node) => node.name);
}
