// Layers behind or before dead ReLUs: every measure is a number or has no row, and the record says why.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { DENSITY, decodeTable, SPECTRA, STRUCTURE } from '@kronlens/proto';
import { encodeModel } from './graph/codec/encode-model.js';
import { int, tensor } from './graph/index.js';
import { analyse } from './testing/analyse.js';
import { writeNpy } from './testing/npy-file.js';
import { inTemporaryFolder } from './testing/result-folder.js';
import { graph, info, node } from './testing/small-graph.js';

const SAMPLES = 20;
const wave = (size: number, shift: number) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + shift));
const matrix = (rows: number, columns: number) =>
  tensor.floatTensor([...wave(rows * columns, rows)], [rows, columns]);

/** 4 -> 6 -> 5 -> 3 with `dead` of the first ReLUs never on. */
async function writeNetwork(folder: string, dead: number) {
  const model = join(folder, `dead-${dead}.onnx`);
  const bias = Array.from({ length: 6 }, (_, unit) => (unit < dead ? -1e3 : 0.1));
  const linear = (x: string, layer: string, z: string) =>
    node('Gemm', [x, `${layer}.weight`, `${layer}.bias`], [z], { transB: int(1) });
  const network = graph({
    inputs: [info('x', ['batch', 4])],
    outputs: [info('logits', ['batch', 3])],
    nodes: [
      linear('x', 'fc1', 'z1'),
      node('Relu', ['z1'], ['h1']),
      linear('h1', 'fc2', 'z2'),
      node('Relu', ['z2'], ['h2']),
      linear('h2', 'fc3', 'logits'),
    ],
    initializers: new Map([
      ['fc1.weight', matrix(6, 4)],
      ['fc1.bias', tensor.floatTensor(bias, [6])],
      ['fc2.weight', matrix(5, 6)],
      ['fc2.bias', tensor.floatTensor([0.1, 0.1, 0.1, 0.1, 0.1], [5])],
      ['fc3.weight', matrix(3, 5)],
      ['fc3.bias', tensor.floatTensor([0, 0.1, 0], [3])],
    ]),
  });
  await writeFile(model, encodeModel(network));
  const [data, labels] = [join(folder, 'x.npy'), join(folder, 'y.npy')];
  await writeNpy(data, wave(SAMPLES * 4, 3), [SAMPLES, 4]);
  const classes = BigInt64Array.from({ length: SAMPLES }, (_, i) => BigInt(i % 3));
  await writeNpy(labels, classes, [SAMPLES]);
  return { model, data, labels };
}

for (const dead of [6, 5])
  test(`${dead} of 6 units dead: numbers or no rows, formed whole and by products`, async (t) => {
    await inTemporaryFolder(async (root) => {
      const files = await writeNetwork(root, dead);
      for (const dense of [1024, 0]) {
        const { folder, record } = await analyse(t, files, {
          measures: ['factors', 'eigen', 'curvature', 'structure'],
          top: 1000,
          dense,
          ekfac: true,
          density: 6,
          probes: 2,
          classMeans: true,
          fullHessian: true,
        });
        const bytes = (name: string) => readFile(join(folder, `${name}.arrow`));
        const structure = decodeTable(STRUCTURE, await bytes('structure'));
        const spectra = decodeTable(SPECTRA, await bytes('spectra'));
        const density = decodeTable(DENSITY, await bytes('density'));
        for (const { layer, measure, value } of structure)
          assert.ok(Number.isFinite(value), `${layer} ${measure}: ${value}`);
        for (const { layer, operator, eigenvalue } of [...spectra, ...density])
          assert.ok(Number.isFinite(eigenvalue), `${layer} ${operator}: ${eigenvalue}`);
        // More eigenpairs than the block has: all that there are.
        const exact = spectra.filter((row) => row.layer === 'fc1' && row.operator === 'ggn');
        assert.equal(exact.length, 24);
        const of = (measure: string) =>
          structure.filter((row) => row.measure === measure).map(({ layer }) => layer);
        assert.ok(!of('heuristic_overlap').includes('fc1'));
        const notes = record.notes.join('\n');
        assert.match(
          notes,
          /layer 'fc1' has 24 eigenpairs in all, which are given; --top 1000 asks/,
        );
        assert.match(notes, /layer 'fc1': its output Hessian (is zero|has 1 eigenvalue)/);
        if (dead < 6) continue;
        assert.ok(!of('eigenspace_overlap').includes('fc1'));
        assert.ok(!of('class_mean_share_output').includes('fc1'));
        assert.match(notes, /layer 'fc2': its exact block \(ggn\) is zero/);
        assert.match(notes, /layer 'fc1': .* class means explain no share/);
      }
    });
  });
