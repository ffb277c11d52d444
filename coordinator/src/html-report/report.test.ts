// Reports as text: what is there is shown, what is not is left out; the same input gives the same text.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseHTML } from 'linkedom';
import { inTemporaryFolder } from '../testing/result-folder.js';
import { writeSyntheticRun } from '../testing/synthetic-run.js';
import { linearLabel, logTicks, powerOfTen } from './axis-ticks.js';
import { figure } from './chart.js';
import { html } from './markup.js';
import { STYLES } from './palette.js';
import { renderReport, writeReport } from './write-report.js';

const FC = { layer: 'fc', input: [[3, 2, 1]], output: [[5, 4]] };

async function reportOf(run: Parameters<typeof writeSyntheticRun>[1]) {
  return await inTemporaryFolder(async (root) => {
    const folder = join(root, 'run');
    await writeSyntheticRun(folder, run);
    const text = await renderReport([folder]);
    assert.equal(await renderReport([folder]), text, 'a second rendering differs');
    return { text: text.replaceAll(root, ''), document: parseHTML(text).document };
  });
}

type Parsed = ReturnType<typeof parseHTML>['document'];

const kinds = (document: Parsed): string[] =>
  [...document.querySelectorAll('figure')].map((each) => String(each.getAttribute('data-chart')));

test('factors alone make their charts, and nothing that is not there is mentioned', async () => {
  const { text, document } = await reportOf({ seed: 1, layers: [FC] });
  assert.deepEqual(kinds(document), ['scree', 'spectrum']);
  assert.doesNotMatch(text, /λ₁ exact|decoupling|NaN|undefined|null|Infinity/);
  assert.match(text, /Eigenvalues of the Kronecker product/);
});

test('without decompositions there are the tables', async () => {
  const layers = [{ layer: 'fc', input: [[]], output: [[]] }];
  const { text, document } = await reportOf({ seed: 1, layers });
  assert.deepEqual(kinds(document), []);
  assert.match(text, /<td class="left">Gemm<\/td>/);
});

test('eigenvalues of 0 are not drawn on a logarithmic scale, and that is said', async () => {
  const dead = { layer: 'dead', input: [[0, 0]], output: [[0, 0]] };
  const { document } = await reportOf({ seed: 1, layers: [dead] });
  assert.deepEqual(kinds(document), []);
  const half = { layer: 'half', input: [[1, 0]], output: [[2, 1]], ggn: [2, 1, 0, -1e-9] };
  const { text } = await reportOf({ seed: 1, layers: [half] });
  assert.match(text, /2 of Kronecker E\[M\] ⊗ E\[xxᵀ\] cannot be told from 0\. 2 of exact H/);
  const structure = [1, 0].map((value, k) => ({
    layer: 'fc',
    measure: 'eigenvalue_ratio',
    k,
    value,
  }));
  const ratios = await reportOf({ seed: 1, layers: [FC], structure });
  assert.match(ratios.text, /1 value of 0 or below cannot be shown on this scale/);
});

test('groups of a convolution are drawn each; its correspondences up to four', async () => {
  const group = [3, 1];
  const groups = Array.from({ length: 6 }, () => group);
  const corr = { count: 2, dimension: 2, values: Float64Array.of(0.5, 0.5, 0.5, 0.5) };
  const correspondence = Object.fromEntries(groups.map((_, g) => [`g${g}.input`, corr]));
  const layers = [{ layer: 'conv', input: groups, output: groups, correspondence }];
  const { document, text } = await reportOf({ seed: 1, layers });
  assert.equal(document.querySelectorAll('figure[data-chart="scree"] g.g5-input > *').length, 2);
  assert.equal(kinds(document).filter((kind) => kind === 'correspondence_input').length, 4);
  assert.match(text, /every column sums to 1 over all groups/);
  assert.match(text, /6×\(2×2\)/);
});

test('names cannot break out of the page', async () => {
  const name = `<script>alert("1")</script>'&`;
  const structure = [{ layer: name, measure: name, k: 1, value: 1 }];
  const { text, document } = await reportOf({
    seed: 1,
    layers: [{ ...FC, layer: name }],
    structure,
  });
  assert.equal(document.querySelectorAll('script').length, 0);
  // Within the quotes of an attribute a bracket opens nothing.
  assert.doesNotMatch(text.replace(/="[^"]*"/g, ''), /<script/);
  assert.equal(document.querySelector('section[data-layer]')?.getAttribute('data-layer'), name);
});

test('every link leads to a part of the page, and every part has its own id', async () => {
  await inTemporaryFolder(async (root) => {
    const folders = ['a b', 'a-b', 'a_b'].map((name) => join(root, name));
    for (const folder of folders)
      await writeSyntheticRun(folder, { seed: 1, layers: [FC, { ...FC, layer: 'fc 2' }] });
    const { document } = parseHTML(await renderReport(folders));
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    assert.equal(new Set(ids).size, ids.length);
    const links = [...document.querySelectorAll('a')].map((link) => link.getAttribute('href'));
    assert.ok(links.length > 9);
    for (const link of links) assert.ok(ids.includes(String(link).slice(1)), String(link));
  });
});

test('the file is written anew, also into new folders; a folder in its place is refused', async () => {
  await inTemporaryFolder(async (root) => {
    const folder = join(root, 'run');
    await writeSyntheticRun(folder, { seed: 1, layers: [FC] });
    const out = join(root, 'deep/er/report.html');
    await writeReport([folder], out);
    await writeReport([folder], out);
    assert.match(await readFile(out, 'utf8'), /^<!doctype html>\n<html lang="en">/);
    await mkdir(join(root, 'folder'));
    await assert.rejects(writeReport([folder], join(root, 'folder')), /is a folder; give the name/);
    await assert.rejects(writeReport([root], out), /is not a result folder/);
  });
});

test('markup escapes texts and keeps markup', () => {
  const inner = html`<b>${'<&>'}</b>`;
  assert.equal(
    html`<p title="${'"'}">${[inner, 1, null]}</p>`.text,
    '<p title="&quot;"><b>&lt;&amp;&gt;</b>1</p>',
  );
});

test('a chart without points is none; coordinates have two decimals', () => {
  const chart = {
    kind: 'x',
    title: 'x',
    caption: '',
    xLabel: 'k',
    yLabel: 'y',
    series: [{ id: 'a', name: 'a', style: STYLES.exact, points: [] }],
  };
  assert.equal(figure(chart), undefined);
  const points = [1, 2, 3].map((x) => ({ x, y: 1 / 3 ** x }));
  const text =
    figure({ ...chart, series: [{ id: 'a', name: 'a', style: STYLES.exact, points }] })?.text ?? '';
  assert.match(text, /k 1: 0\.333333</);
  assert.doesNotMatch(text.replace(/<title>[^<]*/g, ''), /\d\.\d{4}/);
});

test('ticks of logarithmic axes are few, at powers of ten where the range is wide', () => {
  assert.equal(powerOfTen(-12), '10⁻¹²');
  const wide = logTicks(2e-13, 5);
  assert.ok(wide.values.length <= 8 && wide.values.length >= 4);
  assert.ok([...wide.labels.values()].every((label) => /^10[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+$/.test(label)));
  assert.deepEqual([...logTicks(0.2, 5).labels.values()], ['0.2', '0.5', '1', '2', '5']);
  assert.deepEqual([...logTicks(0.62, 1.01).labels.values()], ['0.7', '0.8', '0.9', '1']);
  assert.deepEqual([...logTicks(2e-7, 6e-7).labels.values()], ['2·10⁻⁷', '5·10⁻⁷']);
  assert.deepEqual([0, 0.2, 1.25, 100, 1e-7].map(linearLabel), [
    '0',
    '0.2',
    '1.25',
    '100',
    '1.000e-7',
  ]);
});
