// A graph as text, one line per value: what the tests of passes compare, and what one reads when debugging.
import type { Attribute, Graph, Node, Tensor, ValueInfo } from './graph.js';
import { tensorNumbers } from './tensor.js';

/** Constants of more elements than this are printed without their contents. */
const MOST_ELEMENTS = 8;

/**
 * One line per input, initializer, node and output, in the graph's order. Attributes are sorted by
 * name; a node's name follows only where no output is called so.
 */
export function printed(graph: Graph): string {
  return [
    `opset ${graph.opset}`,
    ...graph.inputs.map((input) => `input ${printedInfo(input)}`),
    ...[...graph.initializers].map(([name, tensor]) => `const ${name} ${printedTensor(tensor)}`),
    ...graph.nodes.map(printedNode),
    ...graph.outputs.map((output) => `output ${printedInfo(output)}`),
  ].join('\n');
}

function printedInfo({ name, dtype, shape }: ValueInfo): string {
  return `${name} ${dtype}${shape === undefined ? '' : `[${shape.join(',')}]`}`;
}

function printedTensor(tensor: Tensor): string {
  const type = `${tensor.dtype}[${tensor.shape.join(',')}]`;
  if (tensor.dtype === 'string') return type;
  const values = tensor.bytes.byteLength <= 8 * MOST_ELEMENTS ? tensorNumbers(tensor) : [];
  const shown = values.length > 0 && values.length <= MOST_ELEMENTS;
  return shown ? `${type} = ${values.join(' ')}` : type;
}

function printedNode(node: Node): string {
  const listed = (values: readonly string[]) =>
    values.map((value) => (value === '' ? '_' : value)).join(', ');
  const domain = node.domain === '' ? '' : `${node.domain}.`;
  const attributes = Object.entries(node.attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, attribute]) => `${name}=${printedAttribute(attribute)}`)
    .join(' ');
  const written = node.opset === undefined ? '' : `@${node.opset}`;
  const called = node.outputs.includes(node.name) ? '' : `  # ${node.name}`;
  return `${listed(node.outputs)} = ${domain}${node.op}${written}${attributes && `<${attributes}>`}(${listed(node.inputs)})${called}`;
}

function printedAttribute(attribute: Attribute): string {
  switch (attribute.kind) {
    case 'int':
    case 'float':
      return `${attribute.value}`;
    case 'string':
      return `'${attribute.value}'`;
    case 'ints':
    case 'floats':
      return `[${attribute.value.join(',')}]`;
    case 'strings':
      return `[${attribute.value.map((text) => `'${text}'`).join(',')}]`;
    case 'tensor':
      return `{${printedTensor(attribute.value)}}`;
    case 'other':
      return '...';
  }
}
