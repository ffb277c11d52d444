// The command compare, as a process: its table, its JSON, its files and its exit codes.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { examplePath, kronlens } from '../testing/kronlens-process.js';
import { filesBelow, inTemporaryFolder } from '../testing/result-folder.js';

/** Analyses the first samples of the digits with an example model. */
async function analyse(out: string, model: string, samples: number): Promise<void> {
  const files = [examplePath(`digits/${model}.onnx`), '--data', examplePath('digits/digits.npz')];
  const ended = await kronlens('analyze', ...files, '--samples', String(samples), '--out', out);
  assert.equal(ended.code, 0, ended.stderr);
}

test('two runs of one model are compared; another model is refused by layer', async () => {
  await inTemporaryFolder(async (root) => {
    const [a, b, mlp] = [join(root, 'a'), join(root, 'b'), join(root, 'mlp')];
    await analyse(a, 'lenet', 256);
    await analyse(b, 'lenet', 384);
    await analyse(mlp, 'mlp', 256);
    const out = join(root, 'out');
    const table = await kronlens('compare', a, b, '--out', out, '--trajectory');
    assert.equal(table.code, 0, table.stderr);
    const lines = table.stdout.split('\n');
    assert.match(
      lines[1] ?? '',
      /^layer +operator +k +k +overlap +\+- +random +k +overlap +condition/,
    );
    // Nearly the same data: nearly the same eigenspaces.
    assert.match(table.stdout, /^fc1 +input +\d+\*? +1 +0\.99/m);
    assert.match(table.stdout, /^fc2 +kron +.* 32 +0\.9\d+ +(holds|fails)$/m);
    assert.match(table.stdout, /^warning: a and b were measured on different data$/m);
    assert.match(table.stdout, /^2 runs, 1 pair, /m);
    assert.match(table.stderr, /compare +\d+ overlap curves in/);
    assert.deepEqual(await filesBelow(out), [
      'overlap.arrow',
      'overlap_mean.arrow',
      'prediction.arrow',
      'run.json',
      'trajectory.arrow',
    ]);
    const json = await kronlens(
      'compare',
      a,
      b,
      '--out',
      join(root, 'json'),
      '--top',
      '3',
      '--report',
      '--json',
    );
    const said = JSON.parse(json.stdout) as { layers: unknown[]; runs: unknown[]; report: string };
    assert.deepEqual([said.layers.length, said.runs.length], [5, 2]);
    assert.equal(said.report, join(root, 'json', 'report.html'));
    assert.match(await readFile(said.report, 'utf8'), /<h\d[^>]*>.*fc2/);

    const other = await kronlens('compare', a, mlp, '--out', join(root, 'x'));
    assert.equal(other.code, 2);
    assert.match(other.stderr, /^kronlens: layer 'fc1' has 48x64 weights in a and 64x64 in mlp;/m);
    const one = await kronlens('compare', a, '--out', join(root, 'x'));
    assert.deepEqual([one.code, one.stdout], [2, '']);
    assert.match(one.stderr, /^kronlens: compare needs the result folders of two runs or more$/m);
  });
});
