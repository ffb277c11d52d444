// The drawn density has the mass of the eigenvalues that it is made of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DensityRow, LayerRow } from '@kronlens/proto';
import { figure } from './chart.js';
import { densityCharts, smoothedDensity } from './density-chart.js';
import type { LayerData } from './layer-data.js';

const ROW: LayerRow = {
  layer: 'fc',
  op: 'Gemm',
  weight: 'fc.weight',
  out_dim: 4,
  in_dim: 5,
  groups: 1,
  positions: 1,
  params: 20,
  bias: null,
  piecewise_linear: true,
};

const data = (density: readonly DensityRow[]): LayerData => ({
  row: ROW,
  spectra: new Map(),
  scalars: new Map(),
  curves: [],
  density,
});

const mass = (eigenvalue: number, weight: number, probe: number | null = null): DensityRow => ({
  layer: 'fc',
  operator: 'ggn',
  probe,
  eigenvalue,
  weight,
});

const drawn = (rows: readonly DensityRow[]): string =>
  densityCharts(data(rows))
    .map((chart) => figure(chart)?.text ?? '')
    .join('');

test('the area under the density is the share of the eigenvalues', () => {
  const masses = [
    { size: 10, weight: 0.1 },
    { size: 1e-3, weight: 0.4 },
  ];
  const points = smoothedDensity(masses, [-4, 2], 0.08, 0);
  const step = (points[1]?.x ?? 0) - (points[0]?.x ?? 0);
  const area = (from: number, to: number) =>
    points.filter(({ x }) => x >= from && x < to).reduce((sum, { y }) => sum + y * step, 0);
  assert.ok(Math.abs(area(-4, -1) - 0.4) < 1e-6);
  assert.ok(Math.abs(area(-1, 2) - 0.1) < 1e-6);
  const floored = smoothedDensity(masses, [-4, 2], 0.08, 1e-3);
  assert.equal(Math.min(...floored.map(({ y }) => y)), 1e-3);
});

test('every operator has a density of its own', () => {
  const hessian = { ...mass(-1, 1), operator: 'hessian' };
  const text = drawn([mass(2, 1), hessian]);
  const [exact = '', other = ''] = text.split('<h4>Spectral density of the Hessian');
  assert.match(exact, /Spectral density of the exact block/);
  assert.doesNotMatch(exact, /below 0, at their size/);
  assert.match(other, /below 0, at their size/);
});

test('what cannot be told from zero is left out and said; values below zero are a line of their own', () => {
  const text = drawn([mass(2, 0.25), mass(-0.5, 0.25), mass(1e-9, 0.5)]);
  assert.match(text, /data-chart="density"/);
  assert.match(
    text,
    /All eigenvalues of the exact block are known\. 50\.00% cannot be told from 0/,
  );
  assert.match(text, /class="density-line"/);
  assert.match(text, /class="negative-line"/);
});

test('masses of several probes are averaged', () => {
  const rows = [mass(2, 1, 0), mass(2, 1, 1)];
  const text = drawn(rows);
  assert.match(text, /from 2 random vectors\. Each mass/);
  assert.deepEqual(densityCharts(data([])), []);
  assert.deepEqual(densityCharts(data([mass(0, 1)])), []);
});
