// Data that cannot be used: each is refused by one sentence that names the file and what is wrong.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { create, type DataArray, DataArraySchema, ElementType } from '@kronlens/proto';
import { fixture } from '../testing/workbench.js';
import { DataError } from './data-error.js';
import { DataFiles } from './data-files.js';

let folder = '';
let files: DataFiles;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kronlens-data-'));
  files = new DataFiles();
});
after(async () => {
  await files.close();
  await rm(folder, { recursive: true });
});

/** Checks that something is refused as bad input in one line, and returns what is said of the file. */
async function refusal(path: string, act: Promise<unknown>): Promise<string> {
  try {
    await act;
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    assert.ok(error.badInput && !error.retryable);
    assert.ok(error.message.startsWith(`${path}: `), error.message);
    assert.ok(!error.message.includes('\n'));
    return error.message.slice(path.length + 2);
  }
  return assert.fail(`${basename(path)} was accepted`);
}

async function fileOf(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

async function arrayOf(name: string, member = ''): Promise<DataArray> {
  const arrays = await files.describe([fixture(`data/${name}`)]);
  return arrays.find((array) => array.member === member) ?? assert.fail(`no ${member} in ${name}`);
}

test('files that are not there, are folders, empty, or something else', async () => {
  const missing = join(folder, 'missing.npz');
  assert.equal(await refusal(missing, files.describe([missing])), 'there is no such file');
  assert.equal(await refusal(folder, files.describe([folder])), 'it is not a file');
  const empty = await fileOf('empty.npz', '');
  assert.equal(await refusal(empty, files.describe([empty])), 'it is empty');
  for (const [name, bytes] of Object.entries({
    'text.csv': 'x,y\n1,2\n',
    'pickle.pkl': Uint8Array.of(0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0),
  })) {
    const path = await fileOf(name, bytes);
    assert.match(
      await refusal(path, files.describe([path])),
      /none of \.npz, \.npy, Arrow IPC, IDX/,
    );
  }
});

for (const [name, says] of Object.entries({
  'scalar.npy': /single number, with no axis of samples/,
  'pickled.npy': /pickled Python objects, which are never loaded/,
  'records.npy': /array of records; save its fields one by one/,
  'text.npy': /NumPy type '<U3'; convert it to float32/,
  'nulls.arrow': /column 'y' has nulls; fill or drop them/,
  'compressed.arrow': /compressed; write the file uncompressed/,
  'text.arrow': /no column of it is numeric/,
})) {
  test(`${name} is refused`, async () => {
    const path = fixture(`data/${name}`);
    assert.match(await refusal(path, files.describe([path])), says);
  });
}

for (const [name, cut, says] of [
  [
    'float32.npy',
    1,
    /truncated: its header says \[11, 2, 3\], which takes 392 bytes; there are 391/,
  ],
  ['float32.npy', 350, /truncated within its header/],
  ['images-idx3-ubyte', 1, /truncated: its header says \[11, 2, 3\], which takes 82 bytes/],
  ['images-idx3-ubyte.gz', 5, /truncated/],
  ['arrays.npz', 1, /truncated or damaged: a ZIP archive \(\.npz\) without its end/],
  ['table.arrow', 1, /truncated: an Arrow IPC file without its footer/],
  ['stream.arrow', 40, /truncated/],
] as const) {
  test(`${name} without its last ${cut} bytes is refused`, async () => {
    const bytes = await readFile(fixture(`data/${name}`));
    const path = await fileOf(`cut-${cut}-${name}`, bytes.subarray(0, bytes.length - cut));
    assert.match(await refusal(path, files.describe([path])), says);
  });
}

/** Opens a damaged file and reads all it has; a DataError is fine, anything else is not. */
async function openAndRead(path: string): Promise<void> {
  const own = new DataFiles();
  try {
    for (const array of await own.describe([path])) {
      const samples = Number(array.shape[0]);
      assert.ok(samples <= 1e6, `${path} claims ${samples} samples`);
      await own.readRows(array, 0, samples, ElementType.FLOAT32);
    }
  } catch (error) {
    assert.ok(
      error instanceof DataError,
      `${path}: ${error instanceof Error ? error.stack : error}`,
    );
  } finally {
    await own.close();
  }
}

test('whatever is cut off or overwritten, nothing worse than a refusal happens', async () => {
  const names = ['float16.npy', 'compressed.npz', 'zip64.npz', 'float.idx.gz', 'float.idx'];
  for (const name of [...names, 'table.arrow', 'stream.arrow', 'views.arrow']) {
    const bytes = await readFile(fixture(`data/${name}`));
    const step = Math.ceil(bytes.length / 24);
    for (let at = 0; at < bytes.length; at += step) {
      await openAndRead(await fileOf(`cut-${name}`, bytes.subarray(0, at)));
      for (const byte of [0, 0x7f, 0xff]) {
        const spoilt = Uint8Array.from(bytes).fill(byte, at, at + 3);
        await openAndRead(await fileOf(`spoilt-${name}`, spoilt));
      }
    }
  }
});

test('a checksum that does not match is noticed', async () => {
  const bytes = await readFile(fixture('data/compressed.npz'));
  const directory = bytes.lastIndexOf('PK\x01\x02');
  // The checksum of the last member, in the archive's directory.
  bytes.writeUInt32LE(12345, directory + 16);
  const path = await fileOf('checksum.npz', bytes);
  const image = (await files.describe([path])).find(({ name }) => name === 'image');
  assert.ok(image !== undefined);
  const read = files.readRows(image, 0, 1, ElementType.FLOAT32);
  assert.match(await refusal(path, read), /member 'image' is damaged: its checksum does not match/);
});

test('NaN and infinity name the sample', async () => {
  const array = await arrayOf('not-finite.npy');
  const read = (first: number, count: number) =>
    files.readRows(array, first, count, ElementType.FLOAT32);
  assert.equal((await read(0, 4)).length, 24);
  assert.equal(await refusal(array.path, read(0, 11)), 'a value of sample 4 is NaN');
  assert.equal(await refusal(array.path, read(3, 2)), 'a value of sample 4 is NaN');
  assert.equal(await refusal(array.path, read(5, 3)), 'a value of sample 7 is infinite');
});

test('values that the wanted type cannot hold name the sample', async () => {
  const x = await arrayOf('float64.npy');
  const asInt = files.readRows(x, 0, 11, ElementType.INT64);
  assert.match(
    await refusal(x.path, asInt),
    /of sample 0 -3\.875 is not an integer, as int64 needs/,
  );
  const image = await arrayOf('uint8.npy');
  image.scale = 1e37;
  const big = files.readRows(image, 0, 11, ElementType.FLOAT32);
  assert.match(await refusal(image.path, big), /of sample 5 3\.5e\+38 is too large for float32/);
  image.scale = -1;
  const negative = files.readRows(image, 0, 11, ElementType.UINT8);
  assert.match(await refusal(image.path, negative), /of sample 0 -1 is out of the range of uint8/);
});

test('rows that are not there', async () => {
  const array = await arrayOf('compressed.npz', 'x');
  const read = files.readRows(array, 8, 4, ElementType.FLOAT32);
  assert.equal(await refusal(array.path, read), 'samples 8 to 11 are asked for, it has 11');
});

test('an array that the file lacks, or has in another shape', async () => {
  const array = await arrayOf('arrays.npz', 'x');
  const other = { ...array, member: 'z' };
  const missing = files.readRows(create(DataArraySchema, other), 0, 1, ElementType.FLOAT32);
  assert.equal(await refusal(array.path, missing), "it has no array 'z', only 'x', 'y'");
  const flat = create(DataArraySchema, { ...array, shape: [11n, 6n] });
  const changed = files.readRows(flat, 0, 1, ElementType.FLOAT32);
  assert.match(await refusal(array.path, changed), /'x' is \[11, 2, 3\] of FLOAT32, not what/);
});

test('a file that was replaced is opened anew, and its digest is another', async () => {
  const path = await fileOf('replaced.npy', await readFile(fixture('data/float32.npy')));
  const [before] = await files.describe([path]);
  await writeFile(path, await readFile(fixture('data/uint8.npy')));
  const [after] = await files.describe([path]);
  assert.ok(before !== undefined && after !== undefined);
  assert.notEqual(after.sha256, before.sha256);
  assert.equal(after.type, ElementType.UINT8);
  assert.match(
    await refusal(path, files.readRows(before, 0, 1, ElementType.FLOAT32)),
    /not the file that this run was planned with/,
  );
});
