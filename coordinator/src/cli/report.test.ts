// The command report and analyze --report, as processes.
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBrowser, openPage } from '../testing/chromium.js';
import { examplePath, kronlens } from '../testing/kronlens-process.js';
import { inTemporaryFolder } from '../testing/result-folder.js';

const DIGITS = [
  examplePath('digits/lenet.onnx'),
  '--data',
  examplePath('digits/digits.npz'),
  '--samples',
  '256',
];

test('analyze --report writes the report that the command report writes', async () => {
  await inTemporaryFolder(async (root) => {
    const out = join(root, 'lenet');
    const ended = await kronlens('analyze', ...DIGITS, '--out', out, '--report');
    assert.equal(ended.code, 0, ended.stderr);
    assert.ok(ended.stdout.endsWith(`report in ${join(out, 'report.html')}\n`));
    const text = await readFile(join(out, 'report.html'), 'utf8');
    for (const layer of ['conv1', 'conv2', 'fc1', 'fc2', 'fc3'])
      assert.match(text, new RegExp(`<section data-layer="${layer}"`));

    const again = await kronlens('report', out, '--out', join(root, 'again.html'), '--json');
    assert.deepEqual(JSON.parse(again.stdout), {
      report: join(root, 'again.html'),
      folders: [out],
    });
    assert.equal(await readFile(join(root, 'again.html'), 'utf8'), text);

    const resumed = await kronlens(
      'analyze',
      ...DIGITS,
      '--out',
      out,
      '--resume',
      '--report',
      '--json',
    );
    assert.equal(JSON.parse(resumed.stdout).report, join(out, 'report.html'));
  });
});

test('what is no result folder is bad input, and no file is written', async () => {
  await inTemporaryFolder(async (root) => {
    const { code, stderr } = await kronlens('report', root, '--out', join(root, 'x.html'));
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^kronlens: .* is not a result folder: it has no run\.json; give the --out folder/m,
    );
    await assert.rejects(stat(join(root, 'x.html')));
  });
});

test('the report of the digits opens in a browser without a request or an error', async (t) => {
  const browser = await openBrowser(t);
  if (browser === undefined) return;
  await inTemporaryFolder(async (root) => {
    const out = join(root, 'lenet');
    const ended = await kronlens('analyze', ...DIGITS, '--out', out, '--report');
    assert.equal(ended.code, 0, ended.stderr);
    const { page, troubles } = await openPage(browser, join(out, 'report.html'));
    assert.deepEqual(troubles, []);
    assert.equal(await page.locator('section[data-layer]').count(), 5);
    const first = page.locator('section[data-layer="fc1"] figure[data-chart="scree"] g.input > *');
    assert.ok((await first.count()) > 10);
    assert.equal(await page.locator('table[data-table="layers"] tbody tr').count(), 5);
  });
});
