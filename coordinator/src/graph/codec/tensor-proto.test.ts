// Where a tensor's contents may lie: raw, in typed fields, in another file; and where they may not.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { TensorProtoSchema } from '../../gen/kronlens/onnx/onnx_pb.js';
import { tensorNumbers } from '../tensor.js';
import { ELEMENT_TYPE, EXTERNAL_LOCATION } from './format.js';
import { ModelError } from './model-error.js';
import { decodeTensor, encodeTensor } from './tensor-proto.js';

type TensorInit = MessageInitShape<typeof TensorProtoSchema>;

const proto = (init: TensorInit) => create(TensorProtoSchema, { name: 'w', ...(init as object) });

function refused(init: TensorInit, code: string, message: RegExp, folder?: string): void {
  assert.throws(
    () => decodeTensor(proto(init), folder),
    (error) => {
      assert.ok(error instanceof ModelError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    },
  );
}

describe('decodeTensor', () => {
  const typed: readonly [keyof typeof ELEMENT_TYPE, TensorInit, number[]][] = [
    ['float32', { floatData: [0.5, -2] }, [0.5, -2]],
    ['float64', { doubleData: [0.1, 1e300] }, [0.1, 1e300]],
    ['int64', { int64Data: [-3n, 2n ** 40n] }, [-3, 2 ** 40]],
    ['uint64', { uint64Data: [3n, 2n ** 53n] }, [3, 2 ** 53]],
    ['uint32', { uint64Data: [3n, 2n ** 32n - 1n] }, [3, 2 ** 32 - 1]],
    ['int32', { int32Data: [-3, 7] }, [-3, 7]],
    ['int16', { int32Data: [-3, 7] }, [-3, 7]],
    ['uint16', { int32Data: [3, 65535] }, [3, 65535]],
    ['int8', { int32Data: [-3, 127] }, [-3, 127]],
    ['uint8', { int32Data: [3, 255] }, [3, 255]],
    ['bool', { int32Data: [1, 0] }, [1, 0]],
    ['float16', { int32Data: [0x3c00, 0xc100] }, [1, -2.5]],
    ['bfloat16', { int32Data: [0x3f80, 0xc020] }, [1, -2.5]],
  ];
  for (const [dtype, fields, expected] of typed) {
    it(`reads ${dtype} from typed fields and from raw bytes alike`, () => {
      const head = { dims: [2n], dataType: ELEMENT_TYPE[dtype] };
      const tensor = decodeTensor(proto({ ...head, ...(fields as object) }), undefined);
      assert.deepEqual([tensor.dtype, tensor.shape], [dtype, [2]]);
      assert.deepEqual(tensorNumbers(tensor), expected);
      const raw = decodeTensor(proto({ ...head, rawData: tensor.bytes }), undefined);
      assert.deepEqual(tensorNumbers(raw), expected);
      assert.deepEqual(decodeTensor(encodeTensor('w', raw), undefined), raw);
    });
  }

  it('reads scalars and empty tensors', () => {
    const scalar = decodeTensor(proto({ dataType: 1, floatData: [4] }), undefined);
    assert.deepEqual([scalar.shape, tensorNumbers(scalar)], [[], [4]]);
    const empty = decodeTensor(proto({ dataType: 7, dims: [0n, 3n] }), undefined);
    assert.deepEqual([empty.shape, tensorNumbers(empty)], [[0, 3], []]);
  });

  it('refuses shapes that do not fit the contents, or are impossible', () => {
    const four = new Uint8Array(4);
    refused(
      { dataType: 1, dims: [2n], rawData: four },
      'malformed-model',
      /'w' \[2\] .* 8 bytes, it has 4/,
    );
    refused({ dataType: 1, dims: [2n], floatData: [1] }, 'malformed-model', /8 bytes, it has 4/);
    refused({ dataType: 1, dims: [1n] }, 'malformed-model', /4 bytes, it has 0/);
    refused(
      { dataType: 1, dims: [-1n], rawData: four },
      'malformed-model',
      /impossible shape \[-1\]/,
    );
    refused({ dataType: 1, dims: [-1n, -1n], rawData: four }, 'malformed-model', /impossible/);
    refused({ dataType: 1, dims: [2n ** 62n, 4n], rawData: four }, 'malformed-model', /impossible/);
    refused({ dataType: 1, dims: [2n ** 62n, 0n] }, 'malformed-model', /impossible/);
    refused({ dataType: 1, dims: [2n ** 40n], rawData: four }, 'malformed-model', /has 4/);
  });

  it('refuses element types that it cannot compute with, by name', () => {
    refused({ dataType: 14, dims: [1n] }, 'unsupported-type', /'w' has element type complex64/);
    refused({ dataType: 99, dims: [1n] }, 'unsupported-type', /type 99/);
    const words = decodeTensor(proto({ dataType: ELEMENT_TYPE.string, dims: [1n] }), undefined);
    assert.throws(() => encodeTensor('words', words), /tensor 'words' holds strings/);
  });
});

describe('decodeTensor of external data', () => {
  let root = '';
  let folder = '';
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'external-'));
    folder = join(root, 'model');
    mkdirSync(join(folder, 'data'), { recursive: true });
    const values = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    writeFileSync(join(folder, 'data', 'weights.bin'), values);
    writeFileSync(join(root, 'secret.bin'), values);
    mkdirSync(join(root, 'model-b'));
    writeFileSync(join(root, 'model-b', 'weights.bin'), values);
    symlinkSync(join(root, 'secret.bin'), join(folder, 'link.bin'));
    symlinkSync(root, join(folder, 'up'));
    symlinkSync('data/weights.bin', join(folder, 'inside.bin'));
  });
  after(() => rmSync(root, { recursive: true }));

  const external = (facts: Record<string, string>): TensorInit => ({
    dataType: 1,
    dims: [2n],
    dataLocation: EXTERNAL_LOCATION,
    externalData: Object.entries(facts).map(([key, value]) => ({ key, value })),
  });
  const read = (facts: Record<string, string>) =>
    tensorNumbers(decodeTensor(proto(external(facts)), folder));

  it('reads a range, the whole offset and length or only some of it given', () => {
    const location = 'data/weights.bin';
    assert.deepEqual(read({ location, offset: '4', length: '8' }), [2, 3]);
    assert.deepEqual(read({ location, offset: '8' }), [3, 4]);
    assert.deepEqual(read({ location }), [1, 2]);
    assert.deepEqual(read({ location: 'inside.bin', offset: '4', checksum: 'ab' }), [2, 3]);
  });

  it('reads nothing outside of the folder', () => {
    for (const location of [
      '../secret.bin',
      'data/../../secret.bin',
      join(root, 'secret.bin'),
      'link.bin',
      'up/secret.bin',
      '../model-b/weights.bin',
      '..\\secret.bin',
      '',
    ]) {
      refused(
        external({ location }),
        'external-data-outside',
        /outside of the model's folder/,
        folder,
      );
    }
  });

  it('refuses what is missing, cut off, or no file', () => {
    const location = 'data/weights.bin';
    refused(
      external({ location: 'lost.bin' }),
      'external-data-missing',
      /'lost.bin' .* put it beside/,
      folder,
    );
    refused(external({ location, offset: '12' }), 'truncated-model', /too short/, folder);
    refused(external({ location: 'data' }), 'external-data-missing', /no regular file/, folder);
    refused(external({ location }), 'external-data', /has no folder/);
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    refused(external({ location: 'pipe' }), 'external-data-missing', /no regular file/, folder);
  });

  it('refuses ranges that do not fit', () => {
    const location = 'data/weights.bin';
    for (const facts of [
      { length: '4' },
      { length: '16' },
      { offset: '-4' },
      { offset: 'x' },
      { offset: '1e400' },
      { length: 'x' },
    ])
      refused(external({ location, ...facts }), 'malformed-model', /do not fit its shape/, folder);
    const huge = { ...(external({ location }) as object), dims: [2n ** 45n] };
    refused(huge, 'truncated-model', /too short/, folder);
  });
});
