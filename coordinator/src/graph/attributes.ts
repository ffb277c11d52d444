// Reading and writing attributes of nodes.
import { ModelError } from './codec/model-error.js';
import type { Attribute, Attributes, Node, Tensor } from './graph.js';

/** The wanted attribute has another kind than the format prescribes. */
export class AttributeKindError extends ModelError {
  constructor(node: Node, name: string, wanted: string, got: string) {
    super(
      'malformed-model',
      `${node.op} '${node.name}': attribute '${name}' should be of kind ${wanted}, it is ${got}`,
    );
    this.name = 'AttributeKindError';
  }
}

function read<K extends Attribute['kind']>(
  node: Node,
  name: string,
  kind: K,
): Extract<Attribute, { kind: K }> | undefined {
  const attribute = node.attributes[name];
  if (attribute === undefined) return undefined;
  if (attribute.kind !== kind) throw new AttributeKindError(node, name, kind, attribute.kind);
  return attribute as Extract<Attribute, { kind: K }>;
}

/** The integer attribute, or `otherwise` where absent. */
export function intAttribute(node: Node, name: string, otherwise: number): number {
  return read(node, name, 'int')?.value ?? otherwise;
}

export function floatAttribute(node: Node, name: string, otherwise: number): number {
  return read(node, name, 'float')?.value ?? otherwise;
}

export function stringAttribute(node: Node, name: string, otherwise: string): string {
  return read(node, name, 'string')?.value ?? otherwise;
}

export function intsAttribute(node: Node, name: string): readonly number[] | undefined {
  return read(node, name, 'ints')?.value;
}

export function floatsAttribute(node: Node, name: string): readonly number[] | undefined {
  return read(node, name, 'floats')?.value;
}

export function tensorAttribute(node: Node, name: string): Tensor | undefined {
  return read(node, name, 'tensor')?.value;
}

export const int = (value: number): Attribute => ({ kind: 'int', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const string = (value: string): Attribute => ({ kind: 'string', value });
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });

/** The attributes without those named. */
export function without(attributes: Attributes, ...names: readonly string[]): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));
}
