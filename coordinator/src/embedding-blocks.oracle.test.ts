// Exact blocks of embeddings' weights (--block) against dense float64 second derivatives by torch.func.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeTable, SPECTRA, STRUCTURE } from '@kronlens/proto';
import { analyse } from './testing/analyse.js';

interface OracleBlock {
  readonly name: string;
  readonly curvature: 'hessian' | 'ggn';
  readonly dimension: number;
  readonly trace: number;
  /** All, largest first. */
  readonly eigenvalues: readonly number[];
}

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures');
/** Eigenvalues at either end. */
const ENDS = 5;
/** Of the largest eigenvalue. */
const TOLERANCE = 1e-5;
/** The file calls a weight that two roles share by the name of the output layer. */
const CALLED: Readonly<Record<string, string>> = {
  'model.transformer.wte.weight': 'model.lm_head.weight',
};

for (const [name, layer] of [
  ['bert-small', 'model.classifier'],
  ['gpt2-small', 'model.transformer.h.0.attn.c_proj'],
] as const)
  it(`blocks of embeddings of ${name}`, async (t) => {
    const text = readFileSync(join(FIXTURES, 'embeddings', `${name}.json`), 'utf8');
    const { blocks } = JSON.parse(text) as { readonly blocks: readonly OracleBlock[] };
    const source = join(FIXTURES, 'factors', name);
    const names = [...new Set(blocks.map((block) => block.name))];
    const { folder } = await analyse(
      t,
      { model: join(source, 'model.onnx'), data: join(source, 'data.npz') },
      {
        curvature: 'hessian',
        layers: [layer],
        blocks: names.map((block, index) => `${index}=${CALLED[block] ?? block}`),
        measures: ['curvature'],
        which: 'both',
        top: ENDS,
      },
    );
    const spectra = decodeTable(SPECTRA, await readFile(join(folder, 'spectra.arrow')));
    const structure = decodeTable(STRUCTURE, await readFile(join(folder, 'structure.arrow')));
    for (const { name: parameter, curvature, trace, eigenvalues } of blocks) {
      const block = String(names.indexOf(parameter));
      const found = spectra
        .filter((row) => row.layer === block && row.operator === curvature)
        .sort((a, b) => a.index - b.index)
        .map(({ eigenvalue }) => eigenvalue);
      const ends = [...eigenvalues.slice(0, ENDS), ...eigenvalues.slice(-ENDS)];
      const largest = Math.max(...ends.map(Math.abs));
      const wanted = curvature === 'hessian' ? ends : eigenvalues.slice(0, found.length);
      assert.equal(found.length, wanted.length, `${curvature} of ${parameter}`);
      for (const [index, value] of wanted.entries())
        assert.ok(
          Math.abs((found[index] ?? Number.NaN) - value) <= TOLERANCE * largest,
          `eigenvalue ${index} of ${curvature} of ${parameter}: ${found[index]}, not ${value}`,
        );
      const measure = curvature === 'hessian' ? 'trace_hessian' : 'trace';
      const total = structure.find((row) => row.layer === block && row.measure === measure);
      const error = Math.abs((total?.value ?? Number.NaN) - trace);
      assert.ok(
        error <= TOLERANCE * trace,
        `trace of ${curvature} of ${parameter}: off by ${error}`,
      );
    }
  });
