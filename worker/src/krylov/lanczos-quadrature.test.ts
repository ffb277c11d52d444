// Stochastic Lanczos quadrature against true spectra.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLinearAlgebra } from '../linalg/index.js';
import { operatorWithSpectrum, spectrum } from '../testing/operators.js';
import { lanczosQuadrature } from './lanczos-quadrature.js';

const linalg = await createLinearAlgebra('auto');
after(() => linalg.close());

const values = spectrum(600, (i) => (i < 5 ? 10 - i : Math.sin(i) ** 2));

test('moments and counts are those of the spectrum', async () => {
  const options = { probes: 30, steps: 25, seed: 3n, block: 8 };
  const { nodes, weights } = await lanczosQuadrature(operatorWithSpectrum(values), linalg, options);
  assert.equal(nodes.length, 750);
  const integral = (f: (x: number) => number) =>
    nodes.reduce((sum, node, i) => sum + (weights[i] as number) * f(node), 0) / 30;
  const mean = (f: (x: number) => number) =>
    values.reduce((sum, value) => sum + f(value), 0) / values.length;
  assert.ok(Math.abs(integral(() => 1) - 1) < 1e-12);
  // Relative errors of estimates of traces by 30 vectors of 600 entries.
  for (const f of [(x: number) => x, (x: number) => x * x, (x: number) => Math.exp(-3 * x)]) {
    assert.ok(Math.abs(integral(f) / mean(f) - 1) < 0.1, `${integral(f)}: ${mean(f)}`);
  }
  const outliers = integral((x) => (x > 3 ? 1 : 0)) * 600;
  assert.ok(Math.abs(outliers - 5) < 1.5, `${outliers} outliers`);
  const half = integral((x) => (x < 0.5 ? 1 : 0));
  assert.ok(Math.abs(half - 0.5) < 0.06, `${half} below the median`);
});

test('outliers are nodes themselves, once for each vector', async () => {
  const options = { probes: 3, steps: 40, seed: 3n, block: 2 };
  const { nodes } = await lanczosQuadrature(operatorWithSpectrum(values), linalg, options);
  for (let probe = 0; probe < 3; probe++) {
    const top = nodes.subarray(probe * 40, probe * 40 + 5);
    for (const [i, node] of top.entries()) assert.ok(Math.abs(node - (10 - i)) < 1e-8, `${node}`);
    assert.ok((nodes[probe * 40 + 5] as number) <= 1 + 1e-9);
  }
});

test('few distinct eigenvalues, and more steps than dimensions: weights of 0 fill up', async () => {
  const two = operatorWithSpectrum(spectrum(50, (i) => (i < 10 ? 2 : -1)));
  const options = { probes: 4, steps: 6, seed: 1n, block: 3 };
  const { nodes, weights } = await lanczosQuadrature(two, linalg, options);
  for (let probe = 0; probe < 4; probe++) {
    const [at, end] = [probe * 6, probe * 6 + 6];
    assert.ok(Math.abs((nodes[at] as number) - 2) < 1e-12);
    assert.ok(Math.abs((nodes[at + 1] as number) + 1) < 1e-12);
    assert.deepEqual([...weights.subarray(at + 2, end)], [0, 0, 0, 0]);
  }
  const tiny = await lanczosQuadrature(operatorWithSpectrum([3]), linalg, options);
  assert.ok(tiny.nodes.every((node) => Math.abs(node - 3) < 1e-12));
  assert.equal(tiny.weights.filter((weight) => weight === 0).length, 4 * 5);
});

test('zero and very small operators; the same bytes again; progress', async () => {
  const options = { probes: 5, steps: 4, seed: 1n, block: 2 };
  const zero = await lanczosQuadrature(
    operatorWithSpectrum(spectrum(20, () => 0)),
    linalg,
    options,
  );
  assert.ok(zero.nodes.every((node) => node === 0));
  const small = operatorWithSpectrum(values.map((value) => value * 1e-290));
  const seen: number[] = [];
  const onProgress = (products: number) => seen.push(products);
  const found = await lanczosQuadrature(small, linalg, { ...options, onProgress });
  assert.ok(Math.abs((found.nodes[0] as number) / 1e-289 - 1) < 0.2);
  assert.deepEqual(seen, [2, 4, 6, 8, 10, 12, 14, 16, 17, 18, 19, 20]);
  assert.deepEqual(await lanczosQuadrature(small, linalg, options), found);
});
