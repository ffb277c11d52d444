// Eigenpairs of Hessians and Gauss-Newton blocks of whole analyses against float64 oracles (fixtures/hessian).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  BLOCKS,
  CROSS,
  DENSITY,
  decodeMatrixFile,
  decodeTable,
  SPECTRA,
  STRUCTURE,
} from '@kronlens/proto';
import { renderReport } from './html-report/write-report.js';
import { analyse } from './testing/analyse.js';
import { writeNpy } from './testing/npy-file.js';

interface OracleBlock {
  readonly name: string;
  readonly curvature: 'hessian' | 'ggn';
  readonly dimension: number;
  readonly trace: number;
  readonly frobenius: number;
  readonly largest: readonly number[];
  readonly smallest: readonly number[];
}

interface OracleCross {
  readonly curvature: 'hessian' | 'ggn';
  readonly a: string;
  readonly b: string;
  readonly frobenius: number;
}

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures');
/** Of eigenvalues, relative to the largest magnitude. */
const TOLERANCE = 1e-5;

function oracleOf(name: string): readonly OracleBlock[] {
  const text = readFileSync(join(FIXTURES, 'hessian', `${name}.json`), 'utf8');
  return (JSON.parse(text) as { readonly blocks: readonly OracleBlock[] }).blocks;
}

function filesOf(name: string) {
  const source = join(FIXTURES, 'factors', name);
  return { model: join(source, 'model.onnx'), data: join(source, 'data.npz') };
}

async function tables(folder: string) {
  const read = (name: string) => readFile(join(folder, `${name}.arrow`));
  return {
    spectra: decodeTable(SPECTRA, await read('spectra')),
    structure: decodeTable(STRUCTURE, await read('structure')),
  };
}

type Tables = Awaited<ReturnType<typeof tables>>;

const valuesOf = ({ spectra }: Tables, layer: string, operator: string): number[] =>
  spectra
    .filter((row) => row.layer === layer && row.operator === operator)
    .sort((a, b) => a.index - b.index)
    .map(({ eigenvalue }) => eigenvalue);

const measureOf = ({ structure }: Tables, layer: string, measure: string): number | undefined =>
  structure.find((row) => row.layer === layer && row.measure === measure)?.value;

function assertValues(what: string, got: readonly number[], expected: readonly number[]): void {
  const scale = Math.max(...expected.map(Math.abs));
  assert.equal(got.length, expected.length, `number of eigenvalues of ${what}`);
  expected.forEach((value, i) => {
    const error = Math.abs((got[i] ?? Number.NaN) - value) / scale;
    assert.ok(error <= TOLERANCE, `eigenvalue ${i} of ${what}: ${got[i]} instead of ${value}`);
  });
}

/** The block's 20 eigenvalues at both ends, descending. */
const bothEnds = ({ largest, smallest }: OracleBlock): number[] => [
  ...largest,
  ...[...smallest].reverse(),
];

for (const [name, denses] of [
  ['layernorm-tokens', [0]],
  ['groupnorm-cnn', [0, 1024]],
  ['mlp-tanh', [0]],
  ['mlp-gelu', [1024]],
] as const)
  for (const dense of denses)
    it(`${name}, both ends, ${dense === 0 ? 'by iteration' : 'formed'}`, async (t) => {
      const options = { curvature: 'hessian', which: 'both', top: 10, dense } as const;
      const measures = ['factors', 'eigen', 'curvature', 'structure'] as const;
      const { folder } = await analyse(t, filesOf(name), { ...options, measures });
      const found = await tables(folder);
      const blocks = oracleOf(name);
      for (const layer of new Set(found.spectra.map((row) => row.layer))) {
        const hessian = blocks.find((b) => b.name === layer && b.curvature === 'hessian');
        const ggn = blocks.find((b) => b.name === layer && b.curvature === 'ggn');
        assert.ok(hessian !== undefined && ggn !== undefined, `no block of ${layer}`);
        assertValues(`ggn of ${layer}`, valuesOf(found, layer, 'ggn').slice(0, 10), ggn.largest);
        const got = valuesOf(found, layer, 'hessian');
        const flat = measureOf(found, layer, 'trace_hessian') === undefined;
        // What follows the last layers is linear: their Hessian is their Gauss-Newton block.
        if (flat) assert.deepEqual(got, valuesOf(found, layer, 'ggn'));
        else assertValues(`hessian of ${layer}`, got, bothEnds(hessian));
        const vectors = decodeMatrixFile(
          await readFile(join(folder, 'eigenvectors', `${layer}.hessian.arrow`)),
        );
        assert.deepEqual([vectors.rows, vectors.columns], [flat ? 10 : 20, hessian.dimension]);
        if (flat) continue;
        const trace = measureOf(found, layer, 'trace_hessian') ?? Number.NaN;
        const deviation = measureOf(found, layer, 'trace_hessian_standard_error') ?? 0;
        const off = Math.abs(trace - hessian.trace);
        const scale = Math.abs(hessian.trace) + Math.abs(hessian.largest[0] ?? 0);
        assert.ok(off <= 5 * deviation + TOLERANCE * scale, `trace ${trace} of ${layer}`);
        if (dense > 0) assert.equal(deviation, 0);
        assert.ok((measureOf(found, layer, 'decoupling_error_spectral_hessian') ?? -1) >= 0);
        assert.ok((measureOf(found, layer, 'decoupling_error_frobenius_hessian') ?? -1) >= 0);
        assert.ok((measureOf(found, layer, 'eigenspace_overlap_hessian') ?? -1) >= 0);
      }
    });

it('piecewise linear layers need no labels, and have the Hessian that they have as ggn', async (t) => {
  const { model } = filesOf('lenet-small');
  const data = join(FIXTURES, 'factors', 'lenet-small', 'data.npz');
  const { folder } = await analyse(
    t,
    { model, data },
    {
      curvature: 'hessian',
      measures: ['curvature'],
      top: 10,
      dense: 100,
    },
  );
  const found = await tables(folder);
  for (const layer of ['conv1', 'conv2', 'fc1', 'fc2', 'fc3']) {
    const values = valuesOf(found, layer, 'hessian');
    assert.ok(values.length >= 10);
    assert.deepEqual(values, valuesOf(found, layer, 'ggn'));
  }
});

it('blocks of parameters, by iteration and formed', async (t) => {
  const all = oracleOf('layernorm-tokens');
  for (const dense of [0, 1024]) {
    const { folder } = await analyse(t, filesOf('layernorm-tokens'), {
      curvature: 'hessian',
      which: 'both',
      blocks: ['all=*', 'norms=norm*'],
      layers: ['head'],
      measures: ['curvature'],
      top: 10,
      dense,
    });
    const found = await tables(folder);
    for (const name of ['all', 'norms'])
      for (const curvature of ['ggn', 'hessian'] as const) {
        const block = all.find((b) => b.name === name && b.curvature === curvature);
        assert.ok(block !== undefined);
        const expected = curvature === 'ggn' ? block.largest : bothEnds(block);
        assertValues(`${curvature} of ${name}`, valuesOf(found, name, curvature), expected);
        const suffix = curvature === 'ggn' ? '' : '_hessian';
        for (const [measure, value] of [
          ['trace', block.trace],
          ['norm_frobenius', block.frobenius],
        ] as const) {
          const got = measureOf(found, name, `${measure}${suffix}`) ?? Number.NaN;
          const deviation = measureOf(found, name, `${measure}${suffix}_standard_error`) ?? 0;
          if (dense > 0) assert.equal(deviation, 0);
          const off = Math.abs(got - value);
          assert.ok(off <= 5 * deviation + 1e-5 * block.frobenius, `${measure}: ${got}`);
        }
        const path = join(folder, 'eigenvectors', `${name}.${curvature}.arrow`);
        const { rows, columns } = decodeMatrixFile(await readFile(path));
        assert.deepEqual([rows, columns], [expected.length, block.dimension]);
      }
    const rows = decodeTable(BLOCKS, await readFile(join(folder, 'blocks.arrow')));
    assert.deepEqual(
      rows
        .filter(({ block }) => block === 'norms')
        .map(({ parameter, first }) => [parameter, first]),
      ['norm1.weight', 'norm1.bias', 'norm2.weight', 'norm2.bias'].map((name, i) => [name, 8 * i]),
    );
    assert.equal(rows.filter(({ block }) => block === 'all').length, 20);
  }
});

it("a block of one weight is the block of its layer, whatever takes the output Hessian's place", async (t) => {
  for (const [operator, options] of [
    ['fisher-empirical', { curvature: 'fisher-empirical' }],
    ['ggn', { outputHessian: 'mc', mcSamples: 2, seed: 3 }],
  ] as const) {
    const { folder } = await analyse(t, filesOf('layernorm-tokens'), {
      ...options,
      layers: ['fc1'],
      blocks: ['w=fc1.weight'],
      measures: ['curvature'],
      top: 8,
    });
    const found = await tables(folder);
    const [layer, block] = ['fc1', 'w'].map((name) => valuesOf(found, name, operator).slice(0, 8));
    assertValues(`${operator} of fc1`, block ?? [], layer ?? []);
  }
});

it('blocks of a language model: losses of tokens, a table that the output layer shares', async (t) => {
  const layer = 'model.transformer.h.0.mlp.c_proj';
  const source = join(FIXTURES, 'factors', 'gpt2-small');
  const files = { model: join(source, 'model.onnx'), data: join(source, 'data.npz') };
  const { folder } = await analyse(t, files, {
    curvature: 'hessian',
    layers: [layer],
    blocks: [`w=${layer}.weight`, 'table=*lm_head.weight'],
    measures: ['curvature'],
    top: 8,
  });
  const found = await tables(folder);
  for (const operator of ['ggn', 'hessian']) {
    const [ofLayer, ofBlock] = [layer, 'w'].map((name) => valuesOf(found, name, operator));
    assertValues(`${operator} of ${layer}`, ofBlock ?? [], (ofLayer ?? []).slice(0, 8));
    assert.ok((ofLayer?.[0] ?? 0) > 0);
    assert.equal(valuesOf(found, 'table', operator).length, 8);
  }
  const rows = decodeTable(BLOCKS, await readFile(join(folder, 'blocks.arrow')));
  const table = rows.find(({ block }) => block === 'table');
  assert.deepEqual([table?.rows, table?.columns], [11, 6]);
});

it('the same bytes on any number of threads, and a report of all of it', async (t) => {
  const seen: Buffer[][] = [];
  let report = '';
  for (const parallel of [1, 3]) {
    const { folder } = await analyse(
      t,
      { ...filesOf('mlp-gelu'), parallel },
      {
        curvature: 'hessian',
        which: 'both',
        blocks: ['biases=*.bias'],
        cross: true,
        measures: ['curvature', 'structure'],
        density: 4,
        top: 5,
        dense: 0,
        batch: 4,
      },
    );
    const names = ['spectra', 'structure', 'density', 'cross', 'blocks'];
    report = await renderReport([folder]);
    seen.push(
      await Promise.all(
        [...names, 'eigenvectors/fc1.hessian', 'eigenvectors/biases.hessian'].map((name) =>
          readFile(join(folder, `${name}.arrow`)),
        ),
      ),
    );
  }
  assert.deepEqual(seen[1], seen[0]);
  for (const words of [
    /exact Hessian, below 0/,
    /Spectral density of the Hessian/,
    /Overlap, exact and Kronecker \(Hessian\)/,
    /Eigenvalues of biases/,
    /<h3>Blocks between layers<\/h3>/,
  ])
    assert.match(report, words);
  assert.doesNotMatch(report, /NaN|undefined|Infinity/);
});

it('norms of the blocks between layers, estimated and exact', async (t) => {
  const text = readFileSync(join(FIXTURES, 'hessian', 'mlp-gelu.json'), 'utf8');
  const { cross } = JSON.parse(text) as { readonly cross: readonly OracleCross[] };
  for (const dense of [0, 1024]) {
    const options = { curvature: 'hessian', measures: ['curvature'], top: 4, dense } as const;
    const { folder } = await analyse(t, filesOf('mlp-gelu'), { ...options, cross: true });
    const rows = decodeTable(CROSS, await readFile(join(folder, 'cross.arrow')));
    assert.equal(rows.length, cross.length);
    for (const { curvature, a, b, frobenius } of cross) {
      const row = rows.find(
        ({ operator, layer_a, layer_b }) =>
          operator === curvature && layer_a === a && layer_b === b,
      );
      assert.ok(row !== undefined, `no row of ${curvature} between ${a} and ${b}`);
      const off = Math.abs(row.frobenius - frobenius);
      if (dense > 0) assert.equal(row.standard_error, 0);
      else assert.ok(row.standard_error < 0.3 * frobenius);
      assert.ok(off <= 4 * row.standard_error + 1e-5 * frobenius, `${a}, ${b}: off by ${off}`);
    }
  }
});

it('without labels the layer whose Hessian needs them is named', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const data = await writeNpy(join(folder, 'x.npy'), new Float32Array(4 * 8), [4, 8]);
  const { model } = filesOf('mlp-tanh');
  const run = analyse(t, { model, data }, { curvature: 'hessian', measures: ['curvature'] });
  await assert.rejects(run, /--curvature hessian needs labels: the Hessian of layer 'fc1'/);
});

it('densities of both operators', async (t) => {
  const options = { curvature: 'hessian', measures: ['curvature'], density: 6, probes: 3 } as const;
  for (const dense of [0, 1024]) {
    const { folder } = await analyse(t, filesOf('mlp-gelu'), { ...options, dense, top: 4 });
    const rows = decodeTable(DENSITY, await readFile(join(folder, 'density.arrow')));
    for (const layer of ['fc1', 'fc2', 'fc3'])
      for (const curvature of ['ggn', 'hessian']) {
        const own = rows.filter((row) => row.layer === layer && row.operator === curvature);
        const mass = own.reduce((sum, { weight }) => sum + weight, 0);
        const whole = own[0]?.probe === null ? 1 : 3;
        assert.ok(Math.abs(mass - whole) < 1e-9, `${layer} ${curvature}: mass ${mass}`);
        const block = oracleOf('mlp-gelu').find(
          (b) => b.name === layer && b.curvature === curvature,
        );
        const mean = own.reduce((sum, row) => sum + row.weight * row.eigenvalue, 0) / whole;
        const expected = (block?.trace ?? NaN) / (block?.dimension ?? NaN);
        const most = dense === 0 ? 0.5 : 1e-5;
        assert.ok(Math.abs(mean - expected) <= most * Math.abs(expected), `${layer}: ${mean}`);
      }
  }
});

it('the largest magnitudes, and the largest values', async (t) => {
  const layer = 'query';
  const block = oracleOf('layernorm-tokens').find(
    (b) => b.name === layer && b.curvature === 'hessian',
  );
  assert.ok(block !== undefined);
  const all = bothEnds(block);
  const magnitudes = [...all].sort((a, b) => Math.abs(b) - Math.abs(a)).slice(0, 8);
  for (const [which, expected] of [
    ['algebraic', all.slice(0, 8)],
    ['magnitude', magnitudes.sort((a, b) => b - a)],
  ] as const) {
    const options = { curvature: 'hessian', measures: ['curvature'], which, top: 8 } as const;
    const { folder } = await analyse(t, filesOf('layernorm-tokens'), {
      ...options,
      layers: [layer],
      dense: 0,
    });
    const found = await tables(folder);
    const values = valuesOf(found, layer, 'hessian');
    const scale = all[0] ?? Number.NaN;
    values.forEach((value, i) => {
      assert.ok(Math.abs(value - (expected[i] ?? Number.NaN)) <= TOLERANCE * scale, `${i}`);
    });
    assert.equal(
      values.some((value) => value < 0),
      which === 'magnitude',
    );
  }
});
