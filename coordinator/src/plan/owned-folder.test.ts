// A temporary folder goes with its process, or with the next one that makes such a folder.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { makeOwnedFolder } from './owned-folder.js';

test('the folder of a killed process is removed by the next one, that of a running one is not', async (t) => {
  const prefix = `kronlens-owned-${process.pid}-`;
  const make = async () => {
    const folder = await makeOwnedFolder(prefix);
    t.after(() => rm(folder, { recursive: true, force: true }));
    return folder;
  };
  const module = JSON.stringify(new URL('./owned-folder.js', import.meta.url).href);
  const code = `import { makeOwnedFolder } from ${module};
    console.log(await makeOwnedFolder('${prefix}'));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code]);
  t.after(() => child.kill('SIGKILL'));
  const [printed] = await once(child.stdout, 'data');
  const left = String(printed).trim();
  const first = await make();
  assert.ok(existsSync(left));
  child.kill('SIGKILL');
  await once(child, 'exit');
  const second = await make();
  assert.ok(!existsSync(left));
  assert.ok(existsSync(first) && existsSync(second));
});
