// Writes ONNX files for tests: a small network, and what can be wrong with one.
import { writeFile } from 'node:fs/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type ModelProto,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
} from '../gen/kronlens/onnx/onnx_pb.js';
import { encodeModel } from '../graph/codec/encode-model.js';
import { type Node, tensor } from '../graph/index.js';
import { graph, info, node } from './small-graph.js';

/** Deterministic weights. */
function weights(shape: readonly number[], scale = 1) {
  const size = shape.reduce((product, n) => product * n, 1);
  return tensor.floatTensor(
    Array.from({ length: size }, (_, index) => scale * Math.cos(index * 0.9 + size)),
    shape,
  );
}

/**
 * A network x [batch, 4] -> fc1 [5] -> `middle` -> fc2 [3].
 * @param middle nodes from 'hidden' to 'active'
 * @param scale of the weights
 */
export function networkBytes(
  middle: readonly Node[] = [node('Relu', ['hidden'], ['active'])],
  scale = 1,
): Uint8Array {
  const fives = Array.from({ length: 5 }, () => 1);
  return encodeModel(
    graph({
      inputs: [info('x', ['batch', 4])],
      outputs: [info('logits', ['batch', 3])],
      nodes: [
        node('MatMul', ['x', 'fc1.weight'], ['hidden']),
        ...middle,
        node('MatMul', ['active', 'fc2.weight'], ['logits']),
      ],
      initializers: new Map([
        ['fc1.weight', weights([4, 5], scale)],
        ['fc2.weight', weights([5, 3], scale)],
        ['ones', tensor.floatTensor(fives, [5])],
        ['half', tensor.floatTensor([0.5], [])],
        ['true', tensor.boolTensor([true], [])],
      ]),
    }),
  );
}

/** The file's message after a change. */
export function changedModel(bytes: Uint8Array, change: (model: ModelProto) => void): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  change(model);
  return toBinary(ModelProtoSchema, model);
}

/** The network with the contents of fc1.weight in another file, 80 bytes. */
export function withExternalData(location: string): Uint8Array {
  return changedModel(networkBytes(), (model) => {
    const weight = model.graph?.initializer.find(({ name }) => name === 'fc1.weight');
    if (weight === undefined) throw new Error('the network has no fc1.weight');
    weight.rawData = new Uint8Array(0);
    weight.dataLocation = 1;
    weight.externalData = [
      create(StringStringEntryProtoSchema, { key: 'location', value: location }),
    ];
  });
}

export async function writeModel(path: string, bytes: Uint8Array): Promise<string> {
  await writeFile(path, bytes);
  return path;
}
