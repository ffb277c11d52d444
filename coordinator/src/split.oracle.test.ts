// Split projections against the blocks of the whole projections' float64 oracles, and their exact blocks' traces.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeMatrixFile, decodeTable, STRUCTURE } from '@kronlens/proto';
import type { AnalysisOptions } from './plan/options.js';
import { analyse } from './testing/analyse.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'factors');

/** E[M] of a whole layer by the oracle, and a function that cuts the block of some rows out of it. */
function oracleBlock(name: string, layer: string, begin: number, size: number): Float64Array {
  const oracle = JSON.parse(readFileSync(join(FIXTURES, name, 'oracle.json'), 'utf8'));
  const { output } = oracle.variants[0].factors.find((f: { layer: string }) => f.layer === layer);
  const bytes = Uint8Array.from(Buffer.from(output.float64, 'base64'));
  const values = new Float64Array(bytes.buffer);
  const width = output.shape[0];
  return Float64Array.from({ length: size ** 2 }, (_, at) => {
    const [row, column] = [begin + Math.floor(at / size), begin + (at % size)];
    return values[row * width + column] ?? Number.NaN;
  });
}

const fused = 'model.transformer.h.0.attn.c_attn';
const apart = 'model.bert.encoder.layer.0.attention.self';

for (const [name, split, parts] of [
  ['gpt2-small', 'qkv', ['q', 'k', 'v'].map((part, i) => [`${fused}.${part}`, fused, 6 * i, 6])],
  [
    'gpt2-small',
    'heads',
    ['q.h0', 'q.h1', 'k.h0', 'k.h1', 'v.h0', 'v.h1'].map((part, i) => [
      `${fused}.${part}`,
      fused,
      3 * i,
      3,
    ]),
  ],
  [
    'bert-small',
    'heads',
    ['query', 'key', 'value'].flatMap((part) =>
      [0, 1].map((head) => [`${apart}.${part}.h${head}`, `${apart}.${part}`, 3 * head, 3]),
    ),
  ],
] as [string, AnalysisOptions['split'], [string, string, number, number][]][]) {
  test(`${name}: --split ${split}`, async (t) => {
    const folder = join(FIXTURES, name);
    const layers = [...new Set(parts.map(([part]) => part))];
    const files = { model: join(folder, 'model.onnx'), data: join(folder, 'data.npz') };
    const measures = ['factors', 'curvature'] as const;
    const traces = async (options: Partial<AnalysisOptions>) => {
      const outcome = await analyse(t, files, { measures, batch: 16, top: 3, ...options });
      const bytes = await readFile(join(outcome.folder, 'structure.arrow'));
      const rows = decodeTable(STRUCTURE, bytes).filter(({ measure }) => measure === 'trace');
      return { out: outcome.folder, total: rows.reduce((sum, { value }) => sum + value, 0) };
    };
    const { out, total } = await traces({ split, layers });
    for (const [part, whole, begin, size] of parts) {
      const bytes = await readFile(join(out, 'factors', `${part}.output.arrow`));
      const { values } = decodeMatrixFile(bytes);
      const expected = oracleBlock(name, whole, begin, size);
      const scale = Math.hypot(...expected);
      const error = Math.hypot(...values.map((value, at) => value - (expected[at] ?? NaN)));
      assert.ok(error <= 1e-5 * scale, `${part}: relative error ${error / scale}`);
    }
    const whole = await traces({ layers: [...new Set(parts.map(([, layer]) => layer))] });
    assert.ok(Math.abs(total - whole.total) <= 1e-5 * whole.total, `${total}, ${whole.total}`);
  });
}
