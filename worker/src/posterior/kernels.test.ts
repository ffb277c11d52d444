// Vector loops against the scalar formulas: noise, its sums, RMSprop; and the divergence under rotations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { philox4x32 } from '../random/philox.js';
import { ParameterMemory } from './parameter-memory.js';
import { type GaussianSums, gaussianKl, largestRho, penaltyAt } from './penalty.js';
import { chosenSamples, epochOrder } from './sample-order.js';
import type { ArrayName } from './step-loops.js';

const rotatedLeft = (x: number, bits: number) => ((x << bits) | (x >>> (32 - bits))) >>> 0;

/** xoshiro128++ on a state of four words. */
function nextWord(s: Uint32Array): number {
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = s;
  const word = (rotatedLeft((s0 + s3) >>> 0, 7) + s0) >>> 0;
  const [a, b] = [s2 ^ s0, s3 ^ s1];
  s.set([s0 ^ b, s1 ^ a, a ^ (s1 << 9), rotatedLeft(b >>> 0, 11)]);
  return word;
}

test('the generator of the test is xoshiro128++', () => {
  const state = Uint32Array.of(1, 2, 3, 4);
  const words = Array.from({ length: 5 }, () => nextWord(state));
  assert.deepEqual(words, [641, 1573767, 3222811527, 3517856514, 836907274]);
});

/** Standard normals of a parameter by scalar generators and Math's functions: see normals.ts. */
function normals(count: number, counter: readonly [number, number, number], key: Uint32Array) {
  const states = Array.from({ length: 8 }, (_, generator) => {
    const words = new Uint32Array(4);
    philox4x32(Uint32Array.of(generator, ...counter), key, words);
    return words;
  });
  const next = (generator: number) => nextWord(states[generator] ?? new Uint32Array(4));
  const values = new Float64Array(Math.ceil(count / 16) * 16);
  for (let half = 0; half < values.length; half += 8)
    for (let lane = 0; lane < 4; lane++) {
      const [first, second] = [next(lane), next(4 + lane)];
      const radius = Math.sqrt(-2 * Math.log((first >>> 1) * 2 ** -31 + 2 ** -32));
      const angle = ((second << 2) * 2 ** -31 * Math.PI) / 4;
      const cosine = Math.cos(angle) * ((second & (2 ** 30)) === 0 ? 1 : -1);
      const swap = (second & (2 ** 31)) !== 0;
      values[half + lane] = radius * (swap ? Math.sin(angle) : cosine);
      values[half + lane + 4] = radius * (swap ? cosine : Math.sin(angle));
    }
  return values.subarray(0, count);
}

function filled(count: number, rotated = false): ParameterMemory {
  const memory = new ParameterMemory([{ name: 'p', shape: [count], rotated }]);
  const [parameter] = memory.parameters;
  assert.ok(parameter);
  parameter.values('mean').forEach((_, i, all) => {
    all[i] = Math.sin(i);
  });
  parameter.values('prior').fill(0.1);
  parameter.values('logStd').forEach((_, i, all) => {
    all[i] = -3 + 2.9 * Math.cos(3 * i);
  });
  return memory;
}

test('noise is the exponential times normals, for any number of values', () => {
  for (const count of [1, 5, 16, 37, 4096]) {
    const memory = filled(count);
    const [parameter] = memory.parameters;
    assert.ok(parameter);
    const sums = memory.addNoise(parameter, [2, 9, 0x01000000], [7, 3]);
    const expected = normals(count, [2, 9, 0x01000000], Uint32Array.of(7, 3));
    const [s, w] = [parameter.values('logStd'), parameter.values('mean')];
    const total = { variance: 0, distance: 0, logStd: 0 };
    expected.forEach((xi, i) => {
      const noise = Math.exp(s[i] ?? 0) * xi;
      assert.ok(Math.abs((parameter.values('noise')[i] ?? 0) - noise) <= 2e-6, `${count} ${i}`);
      const drawn = Math.fround((w[i] ?? 0) + (parameter.values('noise')[i] ?? 0));
      assert.equal(parameter.values('drawn')[i], drawn);
      total.variance += Math.exp(2 * (s[i] ?? 0));
      total.distance += ((w[i] ?? 0) - Math.fround(0.1)) ** 2;
      total.logStd += s[i] ?? 0;
    });
    for (const name of ['variance', 'distance', 'logStd'] as const)
      assert.ok(Math.abs(sums[name] - total[name]) <= 1e-6 * Math.abs(total[name]), name);
  }
});

test('normals have the moments of the normal distribution, and parameters their own', () => {
  const count = 2 ** 18;
  const memory = new ParameterMemory(
    ['a', 'b'].map((name) => ({ name, shape: [count], rotated: true })),
  );
  const [a, b] = memory.parameters.map((parameter, index) => {
    memory.addNoise(parameter, [index, 0, 0], [1, 0]);
    return parameter.values('noise');
  });
  assert.ok(a && b);
  const mean = (f: (x: number, i: number) => number) =>
    a.reduce((sum, x, i) => sum + f(x, i), 0) / count;
  const expected = [
    [mean((x) => x), 0, 1],
    [mean((x) => x ** 2), 1, 2],
    [mean((x) => x ** 3), 0, 15],
    [mean((x) => x ** 4), 3, 96],
    [mean((x, i) => x * (b[i] ?? 0)), 0, 1],
    [mean((x, i) => x * (a[i ^ 4] ?? 0)), 0, 2],
  ] as const;
  for (const [found, wanted, variance] of expected)
    assert.ok(Math.abs(found - wanted) < 5 * Math.sqrt(variance / count), `${found}, ${wanted}`);
});

const FACTORS = {
  scale: 0.5,
  pull: 0.3,
  push: 0.02,
  alpha: 0.9,
  rest: 0.1,
  rate: 0.01,
  epsilon: 1e-8,
};

for (const rotated of [false, true])
  test(`a step of a ${rotated ? 'rotated ' : ''}parameter is that of RMSprop on the objective`, () => {
    const memory = filled(37, rotated);
    const [parameter] = memory.parameters;
    assert.ok(parameter);
    memory.addNoise(parameter, [0, 0, 0], [1, 2]);
    const fill = (name: ArrayName, value: (i: number) => number) =>
      parameter.values(name).forEach((_, i, all) => {
        all[i] = value(i);
      });
    fill('gradient', (i) => Math.cos(5 * i));
    // What belongs to the noise is the gradient itself where the noise is not rotated.
    fill('noiseGradient', (i) => (rotated ? Math.sin(2 * i) : Number.NaN));
    fill('meanSquare', () => 0.5);
    fill('logStdSquare', () => 0.25);
    const copy = (name: ArrayName) => parameter.values(name).slice();
    const [w, s, g, n] = [copy('mean'), copy('logStd'), copy('gradient'), copy('noise')];
    const ofNoise = rotated ? copy('noiseGradient') : g;
    const sums = memory.step(parameter, [4, 5, 6], [1, 2], FACTORS);
    w.forEach((mean, i) => {
      const ofMean = 0.5 * (g[i] ?? 0) + 0.3 * (mean - 0.1);
      const ofLog = 0.5 * (ofNoise[i] ?? 0) * (n[i] ?? 0) + 0.3 * Math.exp(2 * (s[i] ?? 0)) - 0.02;
      const step = (from: number, v: number, gradient: number) =>
        from - (0.01 * gradient) / (Math.sqrt(0.9 * v + 0.1 * gradient ** 2) + 1e-8);
      const near = (found: number | undefined, wanted: number) =>
        assert.ok(Math.abs((found ?? Number.NaN) - wanted) <= 1e-6, `${i}: ${found}, ${wanted}`);
      near(parameter.values('mean')[i], step(mean, 0.5, ofMean));
      near(parameter.values('logStd')[i], step(s[i] ?? 0, 0.25, ofLog));
      near(parameter.values('meanSquare')[i], 0.45 + 0.1 * ofMean ** 2);
    });
    // The noise and the sums are those that the new state gets by itself.
    const [noise, drawn] = [copy('noise'), copy('drawn')];
    assert.deepEqual(memory.addNoise(parameter, [4, 5, 6], [1, 2]), sums);
    assert.deepEqual([copy('noise'), copy('drawn')], [noise, drawn]);
  });

const OPTIONS = { delta: 0.025, precision: 100, largestVariance: 0.1, samples: 1000 };

test('KL does not change when mean, prior and basis are rotated together', () => {
  const size = 12;
  const v = Array.from({ length: size }, (_, i) => Math.sin(1 + i));
  const norm = v.reduce((sum, x) => sum + x * x, 0);
  const reflect = (x: readonly number[]) => {
    const along = x.reduce((sum, value, i) => sum + value * (v[i] ?? 0), 0);
    return x.map((value, i) => value - (2 * along * (v[i] ?? 0)) / norm);
  };
  const w = v.map((_, i) => Math.cos(3 * i));
  const theta = v.map((_, i) => Math.cos(3 * i) + 0.3 * Math.sin(i * i));
  const s = v.map((_, i) => -2 + Math.sin(5 * i));
  const sums = (mean: readonly number[], prior: readonly number[]): GaussianSums => ({
    variance: s.reduce((sum, x) => sum + Math.exp(2 * x), 0),
    distance: mean.reduce((sum, x, i) => sum + (x - (prior[i] ?? 0)) ** 2, 0),
    logStd: s.reduce((sum, x) => sum + x, 0),
    dimension: size,
  });
  const [a, b] = [gaussianKl(sums(w, theta), -1), gaussianKl(sums(reflect(w), reflect(theta)), -1)];
  assert.ok(a > 0 && Math.abs(a - b) <= 1e-10 * a);
  const same = { variance: size * Math.exp(-2), distance: 0, logStd: -size, dimension: size };
  assert.ok(Math.abs(gaussianKl(same, -1)) <= 1e-12);
});

test('slopes of the penalty are those of finite differences', () => {
  const at = (variance: number, rho: number) =>
    penaltyAt({ variance, distance: 3, logStd: -900, dimension: 300 }, rho, OPTIONS);
  const [h, rho] = [1e-5, -2.5];
  const { slope, ofRho } = at(2, rho);
  const ofKl =
    (at(2 + h, rho).value - at(2 - h, rho).value) / (at(2 + h, rho).kl - at(2 - h, rho).kl);
  const byRho = (at(2, rho + h).value - at(2, rho - h).value) / (2 * h);
  assert.ok(Math.abs(slope - ofKl) <= 1e-6 * Math.abs(ofKl), `${slope}, ${ofKl}`);
  assert.ok(Math.abs(ofRho - byRho) <= 1e-6 * Math.abs(byRho), `${ofRho}, ${byRho}`);
  assert.ok(Number.isFinite(at(2, largestRho(OPTIONS)).value));
});

test('an epoch goes through every sample once, in an order of its own', () => {
  const order = epochOrder(7n, 0, 1001);
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 1001 }, (_, i) => i),
  );
  assert.deepEqual(epochOrder(7n, 0, 1001), order);
  for (const other of [epochOrder(7n, 1, 1001), epochOrder(8n, 0, 1001)])
    assert.ok(other.filter((sample, i) => sample === order[i]).length < 10);
});

test('the samples of a draw are uniform, its own, and of its seed', () => {
  const [count, samples] = [20_001, 10];
  const chosen = chosenSamples(7n, 3, count, samples);
  const counts = new Uint32Array(samples);
  for (const sample of chosen) counts[sample] = (counts[sample] ?? 0) + 1;
  assert.equal(
    counts.reduce((sum, each) => sum + each, 0),
    count,
  );
  // Chi squared of 9 degrees of freedom: 27.9 is exceeded once in 1000 times.
  const mean = count / samples;
  assert.ok(counts.reduce((sum, each) => sum + (each - mean) ** 2 / mean, 0) < 27.9);
  assert.deepEqual(chosenSamples(7n, 3, 50, samples), chosen.subarray(0, 50));
  for (const other of [chosenSamples(7n, 4, 50, 1000), chosenSamples(8n, 3, 50, 1000)])
    assert.notDeepEqual(other, chosenSamples(7n, 3, 50, 1000));
});
