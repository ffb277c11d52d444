// A folder that waits for a run is taken up again, whenever the command was killed.
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { WORK_FOLDER } from '../plan/output-folder.js';
import { inTemporaryFolder } from '../testing/result-folder.js';
import { awaitNoRun, awaitRun, makeReady, pendingRun, requireFreeFor } from './pending-run.js';

test('a folder waits for one run; killed commands leave none that is refused', async () => {
  await inTemporaryFolder(async (folder) => {
    const out = join(folder, 'out');
    await requireFreeFor(out, undefined);
    await makeReady(out);
    // Killed before the run was submitted, and while its note was written.
    await requireFreeFor(out, undefined);
    await writeFile(join(out, WORK_FOLDER, 'cluster-run.json.123.0a1b2c3d.tmp'), '{ "ru');
    await requireFreeFor(out, undefined);
    await awaitRun(out, { run: 'abc', url: 'nats://there' });
    assert.deepEqual(await pendingRun(out), { run: 'abc', url: 'nats://there' });
    await requireFreeFor(out, 'abc');
    await assert.rejects(requireFreeFor(out, undefined), /waits for run abc/);
    // Killed while the results were written.
    await mkdir(join(out, 'factors'));
    await writeFile(join(out, 'factors', 'a.arrow'), 'results');
    await requireFreeFor(out, 'abc');
    await rm(join(out, WORK_FOLDER), { recursive: true });
    await assert.rejects(requireFreeFor(out, 'abc'), /is not empty/);
    await rm(join(out, 'factors'), { recursive: true });
    await awaitNoRun(out);
    assert.equal(await pendingRun(out), undefined);
  });
});
