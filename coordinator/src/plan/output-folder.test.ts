import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  inspectOutputFolder,
  prepareOutputFolder,
  tidyOutputFolder,
  WORK_FOLDER,
  withdrawOutputFolder,
} from './output-folder.js';
import { RECORD_FILE, RECORD_FORMAT } from './run-record.js';
import { UsageError } from './usage-error.js';

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-test-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
const record = (status: string) => JSON.stringify({ format: RECORD_FORMAT, status });

test('a folder is new, empty, or a run that --resume goes on with', () =>
  inFolder(async (folder) => {
    const fresh = join(folder, 'a', 'b');
    assert.deepEqual(await inspectOutputFolder(fresh, false), {
      path: fresh,
      previous: undefined,
      isNew: true,
    });
    const left = 'run.json.123.0a1b2c3d.tmp';
    await writeFile(join(folder, left), 'half');
    assert.equal((await inspectOutputFolder(folder, true)).isNew, false);
    await prepareOutputFolder(folder);
    assert.deepEqual((await readdir(folder)).sort(), [
      'class_means',
      'correspondence',
      'eigenvectors',
      'factors',
      'full',
      'posterior',
    ]);
    // A run that was killed before it wrote its record has left nothing that anybody wants.
    for (const resume of [false, true])
      assert.equal((await inspectOutputFolder(folder, resume)).previous, undefined);
    await writeFile(join(folder, RECORD_FILE), record('running'));
    await assert.rejects(
      inspectOutputFolder(folder, false),
      new UsageError(
        `--out ${folder} is not empty: it holds an unfinished run; add --resume to finish it, or give another folder`,
      ),
    );
    assert.equal((await inspectOutputFolder(folder, true)).previous?.status, 'running');
    await writeFile(join(folder, RECORD_FILE), record('finished'));
    await assert.rejects(inspectOutputFolder(folder, false), /it holds a finished run/);
    await writeFile(join(folder, RECORD_FILE), '{ "form');
    await assert.rejects(inspectOutputFolder(folder, true), /run\.json is damaged/);
  }));

test('a folder of other things and a file are refused', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'thesis.tex');
    await mkdir(join(folder, 'chapters'));
    await writeFile(join(folder, 'chapters', '1.tex'), '');
    await assert.rejects(inspectOutputFolder(folder, true), /holds no run/);
    await writeFile(file, '');
    for (const resume of [false, true])
      await assert.rejects(inspectOutputFolder(folder, resume), UsageError);
    await assert.rejects(inspectOutputFolder(file, false), /is a file or lies below one/);
    await assert.rejects(inspectOutputFolder(join(file, 'x'), false), UsageError);
  }));

test('tidying keeps results and removes artifacts and empty subfolders', () =>
  inFolder(async (folder) => {
    await prepareOutputFolder(folder);
    await mkdir(join(folder, WORK_FOLDER, 'artifacts'), { recursive: true });
    await writeFile(join(folder, 'factors', 'fc.input.arrow'), 'x');
    await tidyOutputFolder(folder);
    assert.deepEqual(await readdir(folder), ['factors']);
  }));

test('withdrawing leaves the folder as it was, but never removes results', () =>
  inFolder(async (folder) => {
    const out = await inspectOutputFolder(join(folder, 'out'), false);
    const begin = async () => {
      await prepareOutputFolder(out.path);
      await mkdir(join(out.path, WORK_FOLDER, 'artifacts'), { recursive: true });
      await writeFile(join(out.path, RECORD_FILE), record('running'));
    };
    await begin();
    assert.equal(await withdrawOutputFolder(out), true);
    assert.deepEqual(await readdir(folder), []);
    await begin();
    await writeFile(join(out.path, 'factors', 'fc.input.arrow'), 'x');
    assert.equal(await withdrawOutputFolder(out), false);
    assert.deepEqual(
      (await readdir(out.path)).sort(),
      [WORK_FOLDER, 'factors', RECORD_FILE].sort(),
    );
  }));
