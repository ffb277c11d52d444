// What is read and written back loses nothing, whether this project knows it or not.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  FunctionProtoSchema,
  type ModelProto,
  ModelProtoSchema,
} from '../../gen/kronlens/onnx/onnx_pb.js';
import { decodeModel } from './decode-model.js';
import { encodeModel } from './encode-model.js';
import { ATTRIBUTE_TYPE, ELEMENT_TYPE } from './format.js';
import { ModelError } from './model-error.js';

/** A field that the schema does not have: number, and the text that it holds. */
const unknown = (no: number, text: string) => [
  { no, wireType: 2, data: Uint8Array.from([text.length, ...Buffer.from(text)]) },
];

const batch = { dim: [{ value: { case: 'dimParam' as const, value: 'N' } }] };
const value = (name: string) => ({
  name,
  type: {
    value: {
      case: 'tensorType' as const,
      value: { elemType: ELEMENT_TYPE.float32, shape: batch },
    },
    denotation: 'TENSOR',
  },
});

const init: MessageInitShape<typeof ModelProtoSchema> = {
  irVersion: 10n,
  producerName: 'pytorch',
  producerVersion: '2.13',
  modelVersion: 7n,
  docString: 'a model',
  opsetImport: [
    { domain: '', version: 20n },
    { domain: 'com.example', version: 3n },
  ],
  metadataProps: [{ key: 'license', value: 'free' }],
  graph: {
    name: 'main',
    docString: 'a graph',
    node: [
      {
        name: 'first',
        opType: 'LeakyRelu',
        input: ['x'],
        output: ['h'],
        docString: 'a node',
        metadataProps: [{ key: 'scope', value: 'net.act' }],
        attribute: [
          { name: 'alpha', type: ATTRIBUTE_TYPE.float, f: 0.125, docString: 'an attribute' },
        ],
      },
      {
        name: 'second',
        opType: 'Whatever',
        domain: 'com.example',
        overload: 'fast',
        input: ['h', '', 'w'],
        output: ['y'],
        attribute: [
          { name: 'huge', type: ATTRIBUTE_TYPE.int, i: 2n ** 63n - 1n },
          { name: 'ints', type: ATTRIBUTE_TYPE.ints, ints: [-1n, 2n, -(2n ** 63n)] },
          { name: 'floats', type: ATTRIBUTE_TYPE.floats, floats: [0.5, Infinity] },
          { name: 'text', type: ATTRIBUTE_TYPE.string, s: Buffer.from('é') },
          { name: 'texts', type: ATTRIBUTE_TYPE.strings, strings: [Buffer.from('a')] },
          {
            name: 'words',
            type: ATTRIBUTE_TYPE.tensor,
            t: { dims: [1n], dataType: ELEMENT_TYPE.string, stringData: [Buffer.from('b')] },
          },
          { name: 'body', type: ATTRIBUTE_TYPE.graph, g: { name: 'inner' } },
          { name: 'list', type: ATTRIBUTE_TYPE.tensors, tensors: [{ name: 't' }] },
        ],
      },
    ],
    initializer: [
      {
        name: 'w',
        dims: [2n],
        dataType: ELEMENT_TYPE.float16,
        rawData: Uint8Array.of(0, 60, 0, 64),
        docString: 'a tensor',
        metadataProps: [{ key: 'k', value: 'v' }],
      },
    ],
    input: [value('x')],
    output: [value('y')],
    valueInfo: [value('h')],
    metadataProps: [{ key: 'graph', value: 'props' }],
  },
  functions: [create(FunctionProtoSchema, { name: 'F', domain: 'com.example', output: ['o'] })],
};

/** The model with a field of a later version of the format at every level. */
function fromTheFuture(): ModelProto {
  const model = create(ModelProtoSchema, init);
  const { graph } = model;
  const [node] = graph?.node ?? [];
  const [tensor] = graph?.initializer ?? [];
  const [input] = graph?.input ?? [];
  const [attribute] = node?.attribute ?? [];
  const [called] = model.functions;
  const parts = { model, graph, node, tensor, input, attribute, called };
  for (const [name, part] of Object.entries(parts)) {
    assert.ok(part !== undefined, name);
    part.$unknown = unknown(500, `beyond the ${name}`);
  }
  return model;
}

describe('decodeModel and encodeModel', () => {
  it('give back the file with all its fields, unknown ones included', () => {
    const bytes = toBinary(ModelProtoSchema, fromTheFuture());
    const again = encodeModel(decodeModel(bytes));
    assert.deepEqual(fromBinary(ModelProtoSchema, again), fromBinary(ModelProtoSchema, bytes));
    assert.equal(
      Buffer.from(again)
        .toString('latin1')
        .match(/beyond the \w+/g)?.length,
      7,
    );
  });

  it('write changed parts as they are now, and keep what else is known of the node', () => {
    const graph = decodeModel(toBinary(ModelProtoSchema, fromTheFuture()));
    const nodes = graph.nodes.map((node) =>
      node.name === 'first'
        ? { ...node, op: 'Elu', attributes: { alpha: { kind: 'float', value: 2 } as const } }
        : node,
    );
    const inputs = graph.inputs.map((input) => ({ ...input, shape: [5] }));
    const after = fromBinary(ModelProtoSchema, encodeModel({ ...graph, nodes, inputs }));
    const [node] = after.graph?.node ?? [];
    assert.deepEqual(
      [node?.opType, node?.attribute[0]?.f, node?.attribute[0]?.docString, node?.docString],
      ['Elu', 2, '', 'a node'],
    );
    assert.equal(node?.$unknown?.length, 1);
    const type = after.graph?.input[0]?.type?.value;
    assert.equal(type?.case, 'tensorType');
    assert.deepEqual(type.value.shape?.dim[0]?.value, { case: 'dimValue', value: 5n });
  });

  it('write the same bytes every time', () => {
    const bytes = toBinary(ModelProtoSchema, fromTheFuture());
    const once = encodeModel(decodeModel(bytes));
    assert.deepEqual(encodeModel(decodeModel(once)), once);
  });

  it('view tensors in the bytes of the file instead of copying them', () => {
    const bytes = toBinary(ModelProtoSchema, fromTheFuture());
    assert.equal(decodeModel(bytes).initializers.get('w')?.bytes.buffer, bytes.buffer);
  });

  it('refuse to write more than the format can hold', () => {
    const graph = decodeModel(toBinary(ModelProtoSchema, fromTheFuture()));
    const bytes = new Proxy(new Uint8Array(0), {
      get: (target, key) => (key === 'byteLength' ? 2 ** 31 : Reflect.get(target, key)),
    });
    const initializers = new Map([['big', { dtype: 'uint8', shape: [2 ** 31], bytes } as const]]);
    assert.throws(
      () => encodeModel({ ...graph, initializers }),
      (error) => error instanceof ModelError && error.code === 'model-too-large',
    );
  });
});
