// Random two-layer networks of growing width: what theory says of their outliers comes true.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeTable, SPECTRA } from '@kronlens/proto';
import { analyse } from './testing/analyse.js';
import { measured, structureOf } from './testing/measure-fixtures.js';
import { inTemporaryFolder } from './testing/result-folder.js';
import { writeTwoLayerNetwork } from './testing/two-layer-network.js';

const CLASSES = 3;
const SAMPLES = 2000;

interface Found {
  /** Of the top c - 1 eigenspaces of H and of E[M] (x) E[xx^T]. */
  readonly overlap: number;
  /** lambda_c / lambda_(c-1) of H. */
  readonly ratio: number;
  /** The two largest eigenvalues of E[xx^T], and its trace. */
  readonly input: readonly [number, number, number];
}

test('outliers stand out and eigenspaces coincide as the width grows', async (t) => {
  const found: Found[] = [];
  const sizes = [8, 32, 128].map((width) => ({ width, inputs: Math.round(width ** 1.25) }));
  await inTemporaryFolder(async (root) => {
    for (const size of sizes) {
      const network = { ...size, classes: CLASSES, samples: SAMPLES, seed: 5 };
      const files = await writeTwoLayerNetwork(root, network);
      const { folder } = await analyse(t, files, {
        measures: ['eigen', 'curvature', 'structure'],
        layers: ['fc1'],
        top: CLASSES,
      });
      const rows = await structureOf(folder);
      const spectra = decodeTable(SPECTRA, await readFile(join(folder, 'spectra.arrow')));
      const values = (operator: string) =>
        spectra.filter((row) => row.operator === operator).map(({ eigenvalue }) => eigenvalue);
      const [exact, input] = [values('ggn'), values('input')];
      found.push({
        overlap: measured(rows, 'fc1', 'eigenspace_overlap')[CLASSES - 2] ?? Number.NaN,
        ratio: (exact[CLASSES - 1] ?? Number.NaN) / (exact[CLASSES - 2] ?? Number.NaN),
        input: [input[0] ?? 0, input[1] ?? 0, input.reduce((sum, value) => sum + value, 0)],
      });
    }
  });
  const shown = JSON.stringify(found);
  const [small, middle, large] = found;
  assert.ok(small !== undefined && middle !== undefined && large !== undefined);
  assert.ok(small.overlap < middle.overlap && middle.overlap < large.overlap, shown);
  assert.ok(large.overlap > 0.99, shown);
  assert.ok(small.ratio > middle.ratio && middle.ratio > large.ratio, shown);
  assert.ok(large.ratio < 0.15, shown);
  // E[xx^T] = 1 1^T / (2 pi) + ((pi - 1) / (2 pi)) I; samples widen the bulk (Marchenko and Pastur).
  const rest = (Math.PI - 1) / (2 * Math.PI);
  for (const [index, { inputs: d }] of sizes.entries()) {
    const [first, second, trace] = found[index]?.input ?? [0, 0, 0];
    assert.ok(Math.abs(first / (d / (2 * Math.PI) + rest) - 1) < 0.04, `${d}: ${first}`);
    assert.ok(Math.abs(trace / (d / 2) - 1) < 0.04, `${d}: ${trace}`);
    const edge = rest * (1 + Math.sqrt(d / SAMPLES)) ** 2;
    assert.ok(second > rest && second < 1.08 * edge, `${d}: ${second}, up to ${edge}`);
  }
});
