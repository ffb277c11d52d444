import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from '../../gen/kronlens/onnx/onnx_pb.js';
import { EXTERNAL_LOCATION } from './format.js';
import { loadModel } from './load-model.js';
import { ModelError } from './model-error.js';

describe('loadModel', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'load-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function written(name: string, weights: readonly number[]): string {
    const model = create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ version: 20n }],
      graph: {
        output: [{ name: 'w' }],
        initializer: [
          {
            name: 'w',
            dims: [BigInt(weights.length)],
            dataType: 1,
            dataLocation: EXTERNAL_LOCATION,
            externalData: [{ key: 'location', value: `${name}.data` }],
          },
        ],
      },
    });
    const path = join(folder, name);
    writeFileSync(path, toBinary(ModelProtoSchema, model));
    writeFileSync(`${path}.data`, new Uint8Array(Float32Array.from(weights).buffer));
    return path;
  }

  it('counts external data in the digest', async () => {
    const path = written('a.onnx', [1, 2]);
    const first = await loadModel(path);
    assert.match(first.sha256, /^[0-9a-f]{64}$/);
    assert.equal((await loadModel(path)).sha256, first.sha256);
    written('a.onnx', [1, 3]);
    assert.notEqual((await loadModel(path)).sha256, first.sha256);
  });

  it('says in one sentence why a file cannot be read', async () => {
    const path = join(folder, 'none.onnx');
    const error = await loadModel(path).catch((cause: unknown) => cause);
    assert.ok(error instanceof ModelError);
    assert.equal(error.message, `cannot read the model '${path}': there is no such file`);
    const other = await loadModel(folder).catch((cause: unknown) => cause);
    assert.ok(other instanceof ModelError);
    assert.match(other.message, /it is a folder$/);
  });
});
