// What is computed stays with the user: ONNX Runtime keeps no record of it for its makers.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { examplePath, kronlensCommand, start } from '../testing/kronlens-process.js';
import { filesBelow, inTemporaryFolder } from '../testing/result-folder.js';

test('an analysis leaves nothing but its results', async () => {
  await inTemporaryFolder(async (folder) => {
    const [home, temporary] = [join(folder, 'home'), join(folder, 'tmp')];
    for (const each of [home, temporary]) await mkdir(each);
    const { ORT_DISABLE_TELEMETRY: _, XDG_CACHE_HOME: __, ...env } = process.env;
    const [model, data] = [examplePath('digits/mlp.onnx'), examplePath('digits/digits.npz')];
    const asked = ['--samples', '64', '--measure', 'factors', '--out', join(folder, 'out')];
    const [node, args] = kronlensCommand(['analyze', model, '--data', data, ...asked]);
    const { code, stderr } = await start(node, args, { ...env, HOME: home, TMPDIR: temporary })
      .ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual([await filesBelow(home), await filesBelow(temporary)], [[], []]);
  });
});
