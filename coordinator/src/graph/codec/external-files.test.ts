import assert from 'node:assert/strict';
import { it } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from '../../gen/kronlens/onnx/onnx_pb.js';
import { externalFiles } from './external-files.js';
import { EXTERNAL_LOCATION } from './format.js';

it('names the files of initializers, attributes, subgraphs and functions, each once', () => {
  const external = (location: string) => ({
    dataLocation: EXTERNAL_LOCATION,
    externalData: [
      { key: 'location', value: location },
      { key: 'offset', value: '0' },
    ],
  });
  const model = create(ModelProtoSchema, {
    graph: {
      initializer: [external('weights.bin'), external('a.bin'), { dataLocation: 0 }],
      node: [
        { attribute: [{ t: external('weights.bin') }, { tensors: [external('list.bin')] }] },
        { attribute: [{ g: { initializer: [external('then.bin')] } }] },
        { attribute: [{ graphs: [{ node: [{ attribute: [{ t: external('deep.bin') }] }] }] }] },
      ],
    },
    functions: [{ node: [{ attribute: [{ t: external('function.bin') }] }] }],
  });
  assert.deepEqual(externalFiles(toBinary(ModelProtoSchema, model)), [
    'a.bin',
    'deep.bin',
    'function.bin',
    'list.bin',
    'then.bin',
    'weights.bin',
  ]);
});
