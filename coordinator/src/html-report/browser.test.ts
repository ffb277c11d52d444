// Reports as a browser shows them: marks and numbers against the Arrow files, and legibility.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  decodeTable,
  MEAN_OVERLAP,
  PREDICTION,
  SPECTRA,
  STRUCTURE,
  type StructureRow,
  type TableSchema,
} from '@kronlens/proto';
import type { Locator, Page } from 'playwright-core';
import { runComparison } from '../compare/index.js';
import { openBrowser, openPage } from '../testing/chromium.js';
import { randomFrame } from '../testing/random-frames.js';
import { inTemporaryFolder } from '../testing/result-folder.js';
import { type SyntheticLayer, writeSyntheticRun } from '../testing/synthetic-run.js';
import { writeReport } from './write-report.js';

const CLASSES = 4;
const KS = [1, 2, 3, 4, 5, 6];
/** Shares of 5 factor eigenvectors in 6 exact ones. */
const CORRESPONDENCE = { ...randomFrame(9, 5, 6) };
CORRESPONDENCE.values = CORRESPONDENCE.values.map((value) => value ** 2);

const LAYERS: readonly SyntheticLayer[] = ['net.fc1', 'net.fc2'].map((layer, index) => ({
  layer,
  input: [[40, 2, 1, 0.5 + index, 1e-3]],
  output: [[3, 2.5, 2, 1e-2]],
  ggn: [100, 80, 60, 0.5, 0.1, 0.05],
  correspondence: { input: CORRESPONDENCE },
}));

const measured = (layer: string, measure: string, at: (k: number) => number): StructureRow[] =>
  KS.map((k) => ({ layer, measure, k, value: at(k) }));
const MEASURES: readonly StructureRow[] = LAYERS.flatMap(({ layer }, index) => [
  ...measured(layer, 'eigenspace_overlap', (k) => 1 - 0.07 * k),
  ...measured(layer, 'eigenvalue_ratio', (k) => 1.1 - 0.02 * k),
  ...measured(layer, 'matricised_rank_ratio', (k) => 1 / k),
  ...measured(layer, 'some_new_measure', (k) => k ** 2),
  { layer, measure: 'mean_alignment', k: null, value: 0.98765 },
  { layer, measure: 'decoupling_error_spectral', k: null, value: 0.125 + index },
  { layer, measure: 'decoupling_error_frobenius', k: null, value: 0.25 + index },
]);

async function tableOf<R>(folder: string, schema: TableSchema<R>): Promise<R[]> {
  const bytes = await readFile(join(folder, `${schema.name}.arrow`));
  return decodeTable(schema as TableSchema<never>, bytes) as R[];
}

async function writeRuns(root: string, count: number): Promise<string[]> {
  const folders = Array.from({ length: count }, (_, seed) => join(root, `seed${seed}`));
  for (const [seed, folder] of folders.entries())
    await writeSyntheticRun(folder, {
      seed,
      layers: LAYERS,
      structure: MEASURES,
      record: { outputs: CLASSES },
    });
  return folders;
}

/** A figure of a layer. */
const chart = (page: Page, layer: string, kind: string): Locator =>
  page.locator(`section[data-layer="${layer}"] figure[data-chart="${kind}"]`);

interface Mark {
  readonly x: number;
  readonly y: number;
  /** The value that it says when pointed at. */
  readonly said: number;
}

/** Dots of a series, where they are in the drawing and what they say. */
async function dots(figure: Locator, series: string): Promise<Mark[]> {
  const marks = figure.locator(`g.${series} > *`);
  const found: Mark[] = [];
  for (const mark of await marks.all()) {
    const place = /translate\(([-\d.]+),([-\d.]+)\)/.exec(
      (await mark.getAttribute('transform')) ?? '',
    );
    const [cx, cy] = [await mark.getAttribute('cx'), await mark.getAttribute('cy')];
    const said = /: ([-\d.e+]+)$/.exec((await mark.locator('title').textContent()) ?? '');
    found.push({
      x: Number(cx ?? place?.[1]),
      y: Number(cy ?? place?.[2]),
      said: Number(said?.[1]),
    });
  }
  return found;
}

/** The marks say these values and stand where their scale puts them, x at equal steps. */
function assertDrawn(
  marks: readonly Mark[],
  values: readonly number[],
  scale: (y: number) => number,
) {
  assert.equal(marks.length, values.length);
  const [first, last] = [marks[0], marks.at(-1)];
  const [low, high] = [scale(values[0] ?? 0), scale(values.at(-1) ?? 0)];
  assert.ok(first !== undefined && last !== undefined && low !== high);
  for (const [index, { x, y, said }] of marks.entries()) {
    const value = values[index] ?? Number.NaN;
    assert.ok(Math.abs(said - value) <= 1e-5 * Math.abs(value), `${said} is said for ${value}`);
    const height = first.y + ((last.y - first.y) * (scale(value) - low)) / (high - low);
    assert.ok(Math.abs(y - height) < 0.03, `${value} is drawn at ${y}, not ${height}`);
    const across = first.x + ((last.x - first.x) * index) / (marks.length - 1);
    assert.ok(Math.abs(x - across) < 0.03, `mark ${index} is drawn at ${x}, not ${across}`);
  }
}

const same = (value: number) => value;

/** Rows of a table of the page, as texts. */
async function cells(page: Page, kind: string): Promise<string[][]> {
  const rows: string[][] = [];
  for (const row of await page.locator(`table[data-table="${kind}"] tbody tr`).all())
    rows.push(await row.locator('td').allTextContents());
  return rows;
}

test('the charts of a run draw what its Arrow files hold', async (t: TestContext) => {
  const browser = await openBrowser(t);
  if (browser === undefined) return;
  await inTemporaryFolder(async (root) => {
    const [folder = ''] = await writeRuns(root, 1);
    await writeReport([folder], join(root, 'report.html'));
    const { page, troubles } = await openPage(browser, join(root, 'report.html'));
    const spectra = await tableOf(folder, SPECTRA);
    const structure = await tableOf(folder, STRUCTURE);
    for (const { layer } of LAYERS) {
      const eigenvalues = (operator: string) =>
        spectra
          .filter((row) => row.layer === layer && row.operator === operator)
          .map(({ eigenvalue }) => eigenvalue);
      const spectrum = chart(page, layer, 'spectrum');
      for (const operator of ['kron', 'ggn'])
        assertDrawn(await dots(spectrum, operator), eigenvalues(operator), Math.log);
      const scree = chart(page, layer, 'scree');
      for (const operator of ['input', 'output']) {
        const values = eigenvalues(operator);
        assertDrawn(
          await dots(scree, operator),
          values.map((value) => value / (values[0] ?? 1)),
          Math.log,
        );
      }
      const values = (measure: string) =>
        structure.flatMap((row) =>
          row.layer === layer && row.measure === measure && row.k !== null ? [row.value] : [],
        );
      const scales = {
        eigenspace_overlap: same,
        eigenvalue_ratio: Math.log,
        matricised_rank_ratio: same,
        some_new_measure: same,
      };
      for (const [measure, scale] of Object.entries(scales))
        assertDrawn(await dots(chart(page, layer, measure), 'measured'), values(measure), scale);

      // c - 1 is marked where the dot of k = c - 1 is.
      const overlap = chart(page, layer, 'eigenspace_overlap');
      const third = (await dots(overlap, 'measured'))[CLASSES - 2];
      const line = overlap.locator('g.marked > line');
      assert.ok(Math.abs(Number(await line.getAttribute('x1')) - (third?.x ?? 0)) < 0.03);
      assert.equal(await overlap.locator('g.marked-name').textContent(), 'c − 1 = 3');
      assert.equal(await overlap.locator('g.baseline-line > path').count(), 1);

      const shares = chart(page, layer, 'correspondence_input').locator('g.shares > rect');
      const opacities: number[] = [];
      for (const cell of await shares.all())
        opacities.push(Number(await cell.getAttribute('fill-opacity')));
      assert.equal(opacities.length, 30);
      for (const [at, opacity] of opacities.entries())
        assert.ok(Math.abs(opacity - (CORRESPONDENCE.values[at] ?? 0)) < 1e-6);
      assert.equal(await chart(page, layer, 'correspondence_output').count(), 0);
    }
    const errors = page.locator('figure[data-chart="decoupling_errors"]');
    const said = async (measure: string) => (await dots(errors, measure)).map((mark) => mark.said);
    assert.deepEqual(await said('decoupling_error_spectral'), [0.125, 1.125]);
    assert.deepEqual(await said('decoupling_error_frobenius'), [0.25, 1.25]);
    assert.deepEqual(await cells(page, 'runs'), [
      [
        'seed0',
        'net.onnx',
        'data.npz',
        '100',
        'cross-entropy',
        '0.2500',
        '87.50%',
        '2',
        '40',
        'ggn',
      ],
    ]);
    assert.deepEqual(await cells(page, 'layers'), [
      ['net.fc1', 'Gemm', '4×5', '1', '20', '40.00', '3.000', '120.0', '100.0'],
      ['net.fc2', 'Gemm', '4×5', '1', '20', '40.00', '3.000', '120.0', '100.0'],
    ]);
    assert.deepEqual(await cells(page, 'structure'), [
      ['net.fc1', '0.9877', '0.1250', '0.2500'],
      ['net.fc2', '0.9877', '1.125', '1.250'],
    ]);
    assert.deepEqual(troubles, []);
  });
});

test('the charts of a comparison draw mean overlaps, prediction and steps', async (t: TestContext) => {
  const browser = await openBrowser(t);
  if (browser === undefined) return;
  await inTemporaryFolder(async (root) => {
    const folders = await writeRuns(root, 3);
    const out = join(root, 'compared');
    const silent = { begin() {}, update() {}, end() {}, note() {} };
    const request = { folders, out, top: undefined, trajectory: true };
    const record = await runComparison(request, new AbortController().signal, silent);
    await writeReport([out], join(root, 'report.html'));
    const { page, troubles } = await openPage(browser, join(root, 'report.html'));
    const means = await tableOf(out, MEAN_OVERLAP);
    const predictions = await tableOf(out, PREDICTION);
    for (const { layer } of LAYERS) {
      const mean = (operator: string) =>
        means
          .filter((row) => row.layer === layer && row.operator === operator)
          .map((row) => row.mean);
      const overlap = chart(page, layer, 'overlap');
      for (const operator of ['kron', 'ggn'])
        assertDrawn(await dots(overlap, operator), mean(operator), same);
      assertDrawn(await dots(chart(page, layer, 'overlap_input'), 'input'), mean('input'), same);
      assert.equal(await overlap.locator('g.kron-band > path').count(), 1);
      assert.equal(await overlap.locator('g.predicted-line > path').count(), 1);
      const holding = predictions.filter((row) => row.layer === layer && row.holds).length;
      assert.match(
        (await overlap.locator('figcaption').textContent()) ?? '',
        new RegExp(`holds in ${holding} of 3 pairs`),
      );
      assert.equal(await overlap.locator('g.marked-name').textContent(), 'm = 4');
    }
    const rows = await cells(page, 'peaks');
    const expected = record.layers.flatMap(({ layer, operators }) =>
      operators.map(({ top, peak }) => [
        layer,
        String(top),
        String(peak?.k),
        peak?.mean.toFixed(4),
      ]),
    );
    assert.deepEqual(
      rows.map(([layer, , ...rest]) => [layer, ...rest.slice(0, 3)]),
      expected,
    );
    const loss = page.locator('figure[data-chart="trajectory_loss"]');
    assert.deepEqual(
      (await dots(loss, 'model')).map(({ said }) => said),
      [0.25, 0.25, 0.25],
    );
    const top = page.locator('figure[data-chart="trajectory_eigenvalue_kron"]');
    assert.deepEqual(
      (await dots(top, 'layer-2')).map(({ said }) => said),
      [120, 120, 120],
    );
    assert.deepEqual(troubles, []);
  });
});

test('a report fits a phone and a wide screen, in light and dark', async (t: TestContext) => {
  const browser = await openBrowser(t);
  if (browser === undefined) return;
  await inTemporaryFolder(async (root) => {
    const [folder = ''] = await writeRuns(root, 1);
    await writeReport([folder], join(root, 'report.html'));
    const backgrounds: string[] = [];
    for (const width of [390, 1200]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        const { page } = await openPage(browser, join(root, 'report.html'), { width, colorScheme });
        assert.equal(await page.evaluate<number>('document.documentElement.scrollWidth'), width);
        const smallest = await page.evaluate<number>(`Math.min(
          ...[...document.querySelectorAll('figure > svg')].map((svg) =>
            (12 * svg.getBoundingClientRect().width) / svg.viewBox.baseVal.width))`);
        assert.ok(smallest > 10, `texts of charts are ${smallest} px high at ${width} px`);
        const [background, blue] = await page.evaluate<[string, string]>(`[
          getComputedStyle(document.body).backgroundColor,
          getComputedStyle(document.querySelector('g.ggn')).stroke]`);
        backgrounds.push(background);
        assert.equal(blue, colorScheme === 'light' ? 'rgb(0, 114, 178)' : 'rgb(86, 180, 233)');
      }
    }
    assert.equal(new Set(backgrounds).size, 2);
  });
});
