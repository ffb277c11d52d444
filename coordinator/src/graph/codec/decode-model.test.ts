// Files that are no usable models: each is refused with one sentence that says what is wrong.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type GraphProtoSchema, ModelProtoSchema } from '../../gen/kronlens/onnx/onnx_pb.js';
import { decodeModel } from './decode-model.js';
import { ELEMENT_TYPE } from './format.js';
import { ModelError } from './model-error.js';

const typed = (name: string, elemType: number = ELEMENT_TYPE.float32) => ({
  name,
  type: { value: { case: 'tensorType' as const, value: { elemType } } },
});
const relu = { opType: 'Relu', input: ['x'], output: ['y'] };
const whole = { node: [relu], input: [typed('x')], output: [typed('y')] };

function model(graph: MessageInitShape<typeof GraphProtoSchema>, opset = 20): Uint8Array {
  const opsetImport = [{ domain: 'ai.onnx', version: BigInt(opset) }];
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { opsetImport, graph }));
}

function refused(bytes: Uint8Array, code: string, message: RegExp): void {
  assert.throws(
    () => decodeModel(bytes, 'net.onnx'),
    (error) => {
      assert.ok(error instanceof ModelError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.match(error.message, /net\.onnx/);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    },
  );
}

describe('decodeModel', () => {
  it('reads a model', () => {
    const graph = decodeModel(model(whole));
    assert.deepEqual(
      [graph.opset, graph.nodes[0]?.name, graph.inputs[0]?.shape],
      [20, 'y', undefined],
    );
  });

  it('refuses what is no ONNX file', () => {
    refused(new Uint8Array(0), 'not-onnx', /is empty/);
    refused(Buffer.from('PK\x03\x04rest'), 'not-onnx', /zip archive .* torch\.onnx\.export/);
    refused(Buffer.from('{"not": "a model"}'), 'not-onnx', /is not an ONNX file/);
    refused(Uint8Array.of(8, 7), 'not-onnx', /has no graph/);
    refused(
      toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph: whole })),
      'not-onnx',
      /opset/,
    );
  });

  it('refuses every file that was cut off', () => {
    const bytes = model(whole);
    for (let length = 0; length < bytes.byteLength; length++) {
      refused(bytes.subarray(0, length), 'not-onnx', /./);
    }
  });

  it('refuses opsets that it does not know', () => {
    refused(model(whole, 8), 'unsupported-opset', /opset 8; opsets 9 to 26/);
    refused(model(whole, 27), 'unsupported-opset', /opset 27; .* opset_version=20/);
    assert.equal(decodeModel(model(whole, 9)).opset, 9);
    assert.equal(decodeModel(model(whole, 26)).opset, 26);
  });

  it('refuses sparse initializers and types that are no numbers', () => {
    refused(model({ ...whole, sparseInitializer: [{ dims: [2n] }] }), 'unsupported-type', /sparse/);
    refused(model({ ...whole, input: [typed('x', 22)] }), 'unsupported-type', /'x' .* int4/);
    const list = { name: 'x', type: { value: { case: 'sequenceType' as const, value: {} } } };
    refused(model({ ...whole, input: [list] }), 'unsupported-type', /'x' is no tensor/);
  });

  it('refuses graphs that do not hang together', () => {
    refused(model({ ...whole, input: [] }), 'malformed-model', /node 'y' reads 'x', which nothing/);
    refused(model({ ...whole, node: [relu, relu] }), 'malformed-model', /'y' is made twice/);
    refused(model({ ...whole, output: [typed('z')] }), 'malformed-model', /makes the output 'z'/);
    const twice = [1, 2].map(() => ({ name: 'w', dims: [0n], dataType: 1 }));
    refused(model({ ...whole, initializer: twice }), 'malformed-model', /'w' is there twice/);
  });

  it('gives nodes distinct names, and does not list initializers among the inputs', () => {
    const graph = decodeModel(
      model({
        node: [
          { ...relu, name: 'act', output: ['a'] },
          { ...relu, name: 'act', input: ['a'], output: ['b'] },
          { opType: 'Add', input: ['b', 'w'], output: ['y'] },
        ],
        input: [typed('x'), typed('w')],
        output: [typed('y')],
        initializer: [{ name: 'w', dims: [1n], dataType: 1, floatData: [1] }],
      }),
    );
    assert.deepEqual(
      graph.nodes.map((node) => node.name),
      ['act', 'act#2', 'y'],
    );
    assert.deepEqual(
      graph.inputs.map((input) => input.name),
      ['x'],
    );
  });
});
