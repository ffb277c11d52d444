import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Layer } from '../layers/index.js';
import { LayerSpectra } from './layer-spectra.js';

const layer = (groups: number): Layer => ({
  name: 'conv',
  op: 'Conv',
  weight: 'conv.weight',
  outDim: 1,
  inDim: 2,
  groups,
  positions: 4,
  params: 2 * groups,
  bias: undefined,
  piecewiseLinear: true,
  uses: [],
});
const pairs = (values: number[], first: number[]) => ({
  values: Float64Array.from(values),
  vectors: Float64Array.from([...first, ...values.slice(1).flatMap(() => values.map(() => 0))]),
});

test('a layer of one block: all factor eigenvalues, the top products, the measures', () => {
  const spectra = new LayerSpectra(layer(1), [Float64Array.of(3, 3)]);
  spectra.add(0, 'input', pairs([6, 2], [1, 0]));
  spectra.add(0, 'output', pairs([5], [1]));
  assert.deepEqual(
    spectra.spectrumRows(1).map((row) => [row.operator, row.index, row.eigenvalue]),
    [
      ['input', 0, 6],
      ['input', 1, 2],
      ['output', 0, 5],
      ['kron', 0, 30],
    ],
  );
  const [alignment, ratio, ...rest] = spectra.structureRows();
  assert.equal(alignment?.measure, 'mean_alignment');
  assert.ok(Math.abs(Number(alignment?.value) - 0.5) < 1e-15);
  assert.deepEqual(ratio, { layer: 'conv', measure: 'spectral_ratio', k: null, value: 3 });
  assert.deepEqual(rest, []);
});

test('blocks of a grouped convolution: operators by group, products over the union', () => {
  const spectra = new LayerSpectra(layer(2), [undefined, undefined]);
  spectra.add(0, 'input', pairs([6, 2], [1, 0]));
  spectra.add(0, 'output', pairs([5], [1]));
  assert.equal(spectra.summary(9).kronecker, null);
  spectra.add(1, 'input', pairs([8, 4], [0, 1]));
  spectra.add(1, 'output', pairs([2], [1]));
  spectra.add(0, 'mean_gram', pairs([9, 0], [1, 0]));
  spectra.add(1, 'mean_gram', pairs([0, 0], [1, 0]));
  const rows = spectra.spectrumRows(3);
  assert.deepEqual(
    [...new Set(rows.map(({ operator }) => operator))],
    ['g0.input', 'g0.output', 'g1.input', 'g1.output', 'kron'],
  );
  assert.deepEqual(
    rows.filter(({ operator }) => operator === 'kron').map(({ eigenvalue }) => eigenvalue),
    [30, 16, 10],
  );
  const { input, output, spectralRatio, meanAlignment, kronecker } = spectra.summary(9);
  assert.deepEqual(
    { input, output, spectralRatio, meanAlignment, kronecker },
    // Group 1 has no mean direction.
    { input: [8, 6], output: [5, 2], spectralRatio: 2.5, meanAlignment: 1, kronecker: 30 },
  );
});

test('without the output factor there is no product, and undefined measures have no row', () => {
  const spectra = new LayerSpectra(layer(1), [Float64Array.of(0, 0)]);
  spectra.add(0, 'input', pairs([6, 0], [1, 0]));
  assert.deepEqual(
    spectra.spectrumRows(5).map(({ operator }) => operator),
    ['input', 'input'],
  );
  assert.deepEqual(spectra.structureRows(), []);
});
