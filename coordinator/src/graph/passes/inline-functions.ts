// Replaces calls of the model's own functions by their nodes, nested calls and bodies included.
import { clone } from '@bufbuild/protobuf';
import {
  type FunctionProto,
  type GraphProto,
  GraphProtoSchema,
} from '../../gen/kronlens/onnx/onnx_pb.js';
import { bodies, unreadAttribute, withBodies } from '../bodies.js';
import { decodeAttribute, decodeNode } from '../codec/decode-model.js';
import { encodeNode } from '../codec/encode-model.js';
import { canonicalDomain } from '../codec/format.js';
import { ModelError } from '../codec/model-error.js';
import type { Attributes, Graph, Node } from '../graph.js';
import { expandedSize, functionKey } from './expanded-size.js';

/** Calls can be nested so that a small file grows without bound; no real model comes near this. */
const MOST_NODES = 1_000_000;

/** What one call replaces in the function's nodes. */
interface Call {
  readonly node: Node;
  /** New name of each of the function's values. */
  rename(value: string): string;
  /** Values of the function's parameters, defaults included. */
  readonly parameters: Attributes;
  /** The opset of the function's nodes, where it is not the graph's. */
  readonly opset: number | undefined;
}

/**
 * The graph without functions. What a call makes keeps the call's output names; everything else
 * in it is called `call/name`. Nodes without metadata of their own take the call's.
 * @throws ModelError when a function calls itself or an input of it is missing
 */
export function inlineFunctions(graph: Graph): Graph {
  const { functions, ...rest } = graph;
  if (functions === undefined || functions.length === 0) return rest;
  const inliner = new Inliner(graph, functions);
  const nodes = graph.nodes.flatMap((node) => inliner.expanded(node));
  const used = new Set(nodes.flatMap(domainsOf));
  const domains = new Map([...inliner.domains].filter(([domain]) => used.has(domain)));
  return { ...rest, nodes, domains };
}

class Inliner {
  readonly domains: Map<string, number>;
  readonly #functions: ReadonlyMap<string, FunctionProto>;
  readonly #decoded = new Map<FunctionProto, readonly Node[]>();
  readonly #opset: number;
  readonly #values: Set<string>;
  readonly #names: Set<string>;

  constructor(graph: Graph, functions: readonly FunctionProto[]) {
    this.domains = new Map(graph.domains);
    this.#functions = new Map(
      functions.map((f) => [functionKey(f.domain, f.name, f.overload), f] as const),
    );
    if (expandedSize(graph.nodes, this.#functions) > MOST_NODES)
      throw new ModelError(
        'malformed-model',
        `the model's functions expand to more than ${MOST_NODES} nodes`,
      );
    this.#opset = graph.opset;
    this.#values = new Set([
      ...graph.inputs.map((input) => input.name),
      ...graph.initializers.keys(),
      ...graph.nodes.flatMap((node) => node.outputs),
    ]);
    this.#names = new Set(graph.nodes.map((node) => node.name));
  }

  /** The nodes that `node` stands for. */
  expanded(node: Node): readonly Node[] {
    const whole = withBodies(node, (body) => this.#expandedBody(body));
    const called = this.#functions.get(
      functionKey(node.domain, node.op, node.source?.overload ?? ''),
    );
    if (called === undefined) return [whole];
    return this.#instantiated(called, whole).flatMap((inner) => this.expanded(inner));
  }

  #expandedBody(body: GraphProto): GraphProto {
    const changed = clone(GraphProtoSchema, body);
    changed.node = body.node.flatMap((proto, index) =>
      this.expanded(decodeNode(proto, index, undefined)).map(encodeNode),
    );
    return changed;
  }

  /** The function's nodes with the call's names and attributes in them; calls in it remain. */
  #instantiated(called: FunctionProto, node: Node): readonly Node[] {
    const values = new Map<string, string>();
    called.input.forEach((name, index) => {
      values.set(name, node.inputs[index] ?? '');
    });
    const passed: Node[] = [];
    called.output.forEach((name, index) => {
      const output = node.outputs[index] ?? '';
      if (output === '') return;
      const given = values.get(name);
      if (given === undefined) {
        values.set(name, output);
        return;
      }
      if (given === '')
        throw new ModelError(
          'malformed-model',
          `node '${node.name}' lacks the input '${name}' of the function '${called.name}'`,
        );
      passed.push({
        name: this.#fresh(this.#names, `${node.name}/${output}`),
        op: 'Identity',
        domain: '',
        inputs: [given],
        outputs: [output],
        attributes: {},
        metadata: node.metadata,
      });
    });
    const call: Call = {
      node,
      parameters: {
        ...Object.fromEntries(
          called.attributeProto.map((proto) => [proto.name, decodeAttribute(proto, undefined)]),
        ),
        ...node.attributes,
      },
      opset: this.#opsetOf(called),
      rename: (value) => {
        if (value === '') return '';
        const known = values.get(value);
        if (known !== undefined) return known;
        const name = this.#fresh(this.#values, `${node.name}/${value}`);
        values.set(value, name);
        return name;
      },
    };
    return [...this.#nodesOf(called).map((inner) => this.#copied(inner, call)), ...passed];
  }

  #nodesOf(called: FunctionProto): readonly Node[] {
    const known = this.#decoded.get(called);
    if (known !== undefined) return known;
    const nodes = called.node.map((proto, index) => decodeNode(proto, index, undefined));
    this.#decoded.set(called, nodes);
    return nodes;
  }

  #opsetOf(called: FunctionProto): number | undefined {
    let opset: number | undefined;
    for (const { domain, version } of called.opsetImport) {
      const name = canonicalDomain(domain);
      if (name === '') opset = Number(version);
      else if (!this.domains.has(name)) this.domains.set(name, Number(version));
    }
    return opset === this.#opset ? undefined : opset;
  }

  #copied(inner: Node, call: Call): Node {
    const node = withBodies(
      {
        ...inner,
        name: this.#fresh(this.#names, `${call.node.name}/${inner.name}`),
        inputs: inner.inputs.map(call.rename),
        outputs: inner.outputs.map(call.rename),
        attributes: substituted(inner.attributes, call.parameters),
        metadata: inner.metadata.size > 0 ? inner.metadata : call.node.metadata,
      },
      (body) => this.#copiedBody(body, call),
    );
    return call.opset === undefined ? node : { ...node, opset: call.opset };
  }

  #copiedBody(body: GraphProto, call: Call): GraphProto {
    const changed = clone(GraphProtoSchema, body);
    const renamed = <T extends { name: string }>(value: T): T => ({
      ...value,
      name: call.rename(value.name),
    });
    changed.input = body.input.map(renamed);
    changed.output = body.output.map(renamed);
    changed.initializer = body.initializer.map(renamed);
    changed.valueInfo = [];
    changed.node = body.node.map((proto, index) =>
      encodeNode(this.#copied(decodeNode(proto, index, undefined), call)),
    );
    return changed;
  }

  #fresh(taken: Set<string>, stem: string): string {
    let name = stem;
    for (let count = 2; taken.has(name); count++) name = `${stem}#${count}`;
    taken.add(name);
    return name;
  }
}

/** Attributes that refer to a parameter take its value, or go where the parameter has none. */
function substituted(attributes: Attributes, parameters: Attributes): Attributes {
  const entries = Object.entries(attributes).flatMap(([name, attribute]) => {
    const parameter = unreadAttribute(attribute)?.refAttrName ?? '';
    if (parameter === '') return [[name, attribute] as const];
    const value = parameters[parameter];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(entries);
}

function domainsOf(node: Node): readonly string[] {
  return [
    node.domain,
    ...bodies(node).flatMap((body) =>
      body.node.flatMap((proto, index) => domainsOf(decodeNode(proto, index, undefined))),
    ),
  ];
}
