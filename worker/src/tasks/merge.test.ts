// Merge tasks: the bytes do not depend on the shards, and bundles that do not fit are refused.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  ArtifactMissingError,
  type ArtifactStore,
  type BundleTensor,
  create,
  decodeBundle,
  encodeBundle,
  FolderStore,
  MergeTaskSchema,
} from '@kronlens/proto';
import { TreeSum } from '../sum/tree-sum.js';
import { MergeError, runMerge } from './merge.js';

let folder = '';
let store: FolderStore;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kronlens-merge-'));
  store = new FolderStore(folder);
});
after(() => rm(folder, { recursive: true }));

const LENGTHS = { factor: 6, mean: 3 };

/** What a program gives for one batch: numbers whose sum depends on the order. */
function batchValues(batch: number, length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => Math.sin(batch * 31 + i) * 10 ** (batch % 7));
}

function bundle(factor: Float64Array, mean: Float64Array): readonly BundleTensor[] {
  return [
    { name: 'fc1/input', shape: [3, 3], symmetric: true, values: factor },
    { name: 'fc1/mean', shape: [3], symmetric: false, values: mean },
  ];
}

/** Stores the sums of batches [first, last) and returns their id. */
function storeShard(first: number, last: number): Promise<string> {
  const [factor, mean] = [new TreeSum(first), new TreeSum(first)];
  for (let batch = first; batch < last; batch++) {
    factor.add(batchValues(batch, LENGTHS.factor));
    mean.add(batchValues(batch, LENGTHS.mean));
  }
  return store.put(encodeBundle(bundle(factor.finish(), mean.finish())));
}

async function merge(bundles: readonly string[], from: ArtifactStore = store) {
  const [artifact, ...more] = await runMerge(create(MergeTaskSchema, { bundles: [...bundles] }), {
    store: from,
  });
  assert.equal(artifact?.name, 'sums');
  assert.equal(more.length, 0);
  return artifact.bytes;
}

test('shards of any size merge to the bytes of one shard over everything', async () => {
  for (const batches of [1, 7, 16, 29]) {
    const whole = new Uint8Array(await store.get(await storeShard(0, batches)));
    for (const size of [1, 2, 4, 8, 16, 32]) {
      const ids: string[] = [];
      for (let first = 0; first < batches; first += size) {
        ids.push(await storeShard(first, Math.min(first + size, batches)));
      }
      assert.deepEqual(await merge(ids), whole, `${batches} batches in shards of ${size}`);
    }
  }
});

test('names, shapes and symmetry are kept, values are added', async () => {
  const id = await storeShard(0, 1);
  const merged = decodeBundle(await merge([id, id, id]));
  assert.deepEqual([...merged.keys()], ['fc1/input', 'fc1/mean']);
  const factor = merged.get('fc1/input');
  assert.deepEqual([factor?.shape, factor?.symmetric], [[3, 3], true]);
  assert.deepEqual(
    factor?.values,
    batchValues(0, 6).map((value) => value + value + value),
  );
});

test('bundles are read one after the other', async () => {
  let reading = 0;
  const counting: ArtifactStore = Object.create(store, {
    get: {
      value: async (id: string) => {
        assert.equal(reading++, 0);
        const bytes = await store.get(id);
        reading--;
        return bytes;
      },
    },
  });
  const ids = await Promise.all([0, 1, 2, 3, 4].map((batch) => storeShard(batch, batch + 1)));
  assert.deepEqual(await merge(ids, counting), await merge(ids));
});

test('bundles with different tensors are refused', async () => {
  const good = bundle(new Float64Array(6), new Float64Array(3));
  const [factor, mean] = good;
  assert.ok(factor !== undefined && mean !== undefined);
  const first = await store.put(encodeBundle(good));
  for (const [other, message] of [
    [[factor], /lacks the tensor 'fc1\/mean'/],
    [[...good, { ...mean, name: 'fc2/mean' }], /has a tensor 'fc2\/mean' that/],
    [[factor, { ...mean, shape: [1, 3] }], /'fc1\/mean' is \[1, 3\] in bundle .* but \[3\] in/],
    [
      [{ ...factor, shape: [6], symmetric: false }, mean],
      /'fc1\/input' is \[6\] in bundle .* but symmetric \[3, 3\] in/,
    ],
  ] as const) {
    const id = await store.put(encodeBundle(other));
    await assert.rejects(merge([first, id]), (error) => {
      assert.ok(error instanceof MergeError);
      assert.match(error.message, message);
      assert.equal(error.details.bundle, id);
      return true;
    });
  }
});

test('a task without bundles, or with a missing one, is refused', async () => {
  await assert.rejects(merge([]), /names no bundle/);
  await assert.rejects(merge(['0'.repeat(64)]), ArtifactMissingError);
});
