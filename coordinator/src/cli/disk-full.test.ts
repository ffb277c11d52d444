// A full disk: exit code 2, the folder says that the run is not finished, and --resume finishes it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { examplePath, kronlensCommand, start } from '../testing/kronlens-process.js';
import { inTemporaryFolder } from '../testing/result-folder.js';

/** A mount namespace of its own, in which the process is root: what is mounted is gone at its end. */
const NAMESPACE = ['--map-root-user', '--mount', 'sh', '-c'];
const MOUNT = 'mount -t tmpfs -o size=2m tmpfs "$1"';

function canMount(): boolean {
  const { status } = spawnSync('unshare', [...NAMESPACE, 'mount -t tmpfs tmpfs /tmp']);
  return status === 0;
}

test(
  'a full disk ends the run, and --resume goes on when there is space again',
  {
    skip: canMount() ? false : 'needs unshare and leave to mount a tmpfs in a user namespace',
  },
  () =>
    inTemporaryFolder(async (folder) => {
      const out = join(folder, 'out');
      const [node, args] = kronlensCommand([
        ...[
          'analyze',
          examplePath('digits/lenet.onnx'),
          '--data',
          examplePath('digits/digits.npz'),
        ],
        ...['--out', out, '--batch', '16', '--shard', '16', '--measure', 'factors,eigen'],
      ]);
      // Fills the disk up to 300 KiB, runs, makes space, resumes; every step says how it ended.
      const script = [
        'dir=$1; shift',
        MOUNT.replace('"$1"', '"$dir"'),
        'head -c 1800000 /dev/zero > "$dir/filler"',
        '"$@"; echo "ended $?"',
        'echo status $(grep -o \'"status": "[a-z]*"\' "$dir/out/run.json")',
        'rm "$dir/filler"; mount -o remount,size=64m "$dir"',
        '"$@" --resume > /dev/null; echo "resumed $?"',
        'echo status $(grep -o \'"status": "[a-z]*"\' "$dir/out/run.json")',
      ].join('\n');
      const { stdout, stderr } = await start('unshare', [
        ...NAMESPACE,
        script,
        ...['sh', folder, node, ...args],
      ]).ended;
      assert.match(stdout, /^ended 2$/m, stderr);
      assert.match(
        stderr,
        /^kronlens: no space left on the device of '.*'; free some and run again with --resume$/m,
      );
      const statuses = [...stdout.matchAll(/^status "status": "(.*)"$/gm)].map(
        ([, status]) => status,
      );
      assert.match(String(statuses[0]), /^(running|failed)$/);
      assert.match(stdout, /^resumed 0$/m, stderr);
      assert.equal(statuses[1], 'finished');
    }),
);
