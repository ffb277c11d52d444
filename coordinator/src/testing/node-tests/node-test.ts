// ONNX's backend node tests as they lie in a folder: small models with stored inputs and outputs.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type ModelProto,
  ModelProtoSchema,
  TensorProtoSchema,
} from '../../gen/kronlens/onnx/onnx_pb.js';
import {
  canonicalDomain,
  elementTypeName,
  irVersionOf,
  NEWEST_OPSET,
} from '../../graph/codec/format.js';
import { decodeTensor } from '../../graph/codec/tensor-proto.js';
import type { Tensor } from '../../graph/graph.js';

export interface NodeTest {
  readonly name: string;
  /** The bytes of the model; of an opset that ONNX Runtime does not execute yet, as the newest that it does. */
  readonly model: Uint8Array;
  /** The op that is tested, with its domain in front where it is not the standard one. */
  readonly op: string;
  /** Names of the model's inputs, in the file's order. */
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Names of the element types of inputs and outputs, each once; 'no tensor' for sequences and the like. */
  readonly types: readonly string[];
  /** The stored inputs and outputs. @throws ModelError for element types that are not supported */
  readonly data: () => {
    readonly inputs: ReadonlyMap<string, Tensor>;
    readonly outputs: ReadonlyMap<string, Tensor>;
  };
}

/** All tests of a folder in the layout of onnx/backend/test/data/node, by name. */
export function readNodeTests(folder: string): readonly NodeTest[] {
  const tests = readdirSync(folder)
    .sort()
    .map((name) => readNodeTest(folder, name));
  const ops = new Map(tests.map(({ name, op }) => [name, op]));
  return tests.map((test) => ({ ...test, op: ops.get(plainName(test.name)) ?? test.op }));
}

/** The test of the op itself, of which this one has the function's body in the place of the node. */
function plainName(name: string): string {
  return name.replace(/_expanded.*$/, '');
}

/** The model with its opset lowered, where that is too new; undefined where it is not. */
function runnable(proto: ModelProto): Uint8Array | undefined {
  const newest = BigInt(NEWEST_OPSET);
  const tooNew = ({ domain, version }: ModelProto['opsetImport'][number]) =>
    canonicalDomain(domain) === '' && version > newest;
  if (!proto.opsetImport.some(tooNew)) return undefined;
  const opsetImport = proto.opsetImport.map((opset) =>
    tooNew(opset) ? { ...opset, version: newest } : opset,
  );
  const irVersion = BigInt(irVersionOf(NEWEST_OPSET));
  return toBinary(ModelProtoSchema, { ...proto, opsetImport, irVersion });
}

function readNodeTest(root: string, name: string): NodeTest {
  const file = readFileSync(join(root, name, 'model.onnx'));
  const proto = fromBinary(ModelProtoSchema, file);
  const { graph } = proto;
  if (graph === undefined) throw new Error(`${name}/model.onnx has no graph`);
  const inputNames = graph.input.map((input) => input.name);
  const outputNames = graph.output.map((output) => output.name);
  const types = [...graph.input, ...graph.output].map(({ type }) =>
    type?.value.case === 'tensorType' ? elementTypeName(type.value.value.elemType) : 'no tensor',
  );
  const ops = new Set(graph.node.map((node) => node.opType));
  const [first] = graph.node;
  const domain = first === undefined || first.domain === '' ? '' : `${first.domain}.`;
  const read = (kind: string, names: readonly string[]) =>
    new Map(
      names.map((value, index) => {
        const file = join(root, name, 'test_data_set_0', `${kind}_${index}.pb`);
        return [value, decodeTensor(fromBinary(TensorProtoSchema, readFileSync(file)), undefined)];
      }),
    );
  return {
    name,
    model: runnable(proto) ?? file,
    op: ops.size === 1 && first !== undefined ? `${domain}${first.opType}` : 'several',
    inputNames,
    outputNames,
    types: [...new Set(types)],
    data: () => ({ inputs: read('input', inputNames), outputs: read('output', outputNames) }),
  };
}
