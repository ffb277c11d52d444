// Replaces calls of the model's own functions by their nodes, nested calls and bodies included.
import type { FunctionProto, GraphProto } from '../../gen/kronlens/onnx/onnx_pb.js';
import { bodies, unreadAttribute, withBodies } from '../bodies.js';
import { decodeAttribute, decodeNode } from '../codec/decode-model.js';
import { encodeNode } from '../codec/encode-model.js';
import { canonicalDomain } from '../codec/format.js';
import { ModelError } from '../codec/model-error.js';
import { FreshNames, nodeNames, valueNames } from '../fresh-names.js';
import type { Attributes, Graph, Node } from '../graph.js';
import { type Rename, renamed } from '../rename.js';
import { expandedSize, functionKey } from './expanded-size.js';

/** Calls can be nested so that a small file grows without bound; no real model comes near this. */
const MOST_NODES = 1_000_000;

/** What one call replaces in the function's nodes. */
interface Call {
  readonly node: Node;
  /** New name of each of the function's values. */
  readonly rename: Rename;
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
  readonly #values: FreshNames;
  readonly #names: FreshNames;

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
    this.#values = new FreshNames(valueNames(graph));
    this.#names = new FreshNames(nodeNames(graph));
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
    const node = body.node.flatMap((proto, index) =>
      this.expanded(decodeNode(proto, index, undefined)).map(encodeNode),
    );
    return { ...body, node };
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
        name: this.#names.take(`${node.name}/${output}`),
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
        const name = this.#values.take(`${node.name}/${value}`);
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
    const node = {
      ...renamed(substituted(inner, call.parameters), call.rename),
      name: this.#names.take(`${call.node.name}/${inner.name}`),
      metadata: inner.metadata.size > 0 ? inner.metadata : call.node.metadata,
    };
    return call.opset === undefined ? node : { ...node, opset: call.opset };
  }
}

/** Attributes that refer to a parameter take its value, or go where the parameter has none. */
function substituted(node: Node, parameters: Attributes): Node {
  const attributes = Object.entries(node.attributes).flatMap(([name, attribute]) => {
    const parameter = unreadAttribute(attribute)?.refAttrName ?? '';
    if (parameter === '') return [[name, attribute] as const];
    const value = parameters[parameter];
    return value === undefined ? [] : [[name, value] as const];
  });
  return withBodies({ ...node, attributes: Object.fromEntries(attributes) }, (body) => ({
    ...body,
    node: body.node.map((proto, index) =>
      encodeNode(substituted(decodeNode(proto, index, undefined), parameters)),
    ),
  }));
}

function domainsOf(node: Node): readonly string[] {
  return [
    node.domain,
    ...bodies(node).flatMap((body) =>
      body.node.flatMap((proto, index) => domainsOf(decodeNode(proto, index, undefined))),
    ),
  ];
}
