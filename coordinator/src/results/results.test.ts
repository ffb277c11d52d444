// Result folders are read, and what is none, unfinished, missing or damaged is said in one sentence.
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BadInputError, encodeMatrixFile } from '@kronlens/proto';
import { inTemporaryFolder } from '../testing/result-folder.js';
import { syntheticFrame, writeSyntheticRun } from '../testing/synthetic-run.js';
import { openAnalysis } from './analysis-results.js';
import { candidateFiles, readMatrix } from './read-matrix.js';

const FC = { layer: 'fc/1', input: [[3, 2, 1]], output: [[5, 4]] };
const STRUCTURE_ROW = { layer: 'fc/1', measure: 'trace', k: null, value: 54 };

/** Writes a run, spoils it, and gives the message with which opening it fails. */
async function refusal(
  record: Readonly<Record<string, unknown>>,
  spoil: (folder: string) => Promise<void> = async () => {},
): Promise<string> {
  return await inTemporaryFolder(async (root) => {
    const folder = join(root, 'run');
    await writeSyntheticRun(folder, { seed: 1, layers: [FC], record });
    await spoil(folder);
    const error = await openAnalysis(folder, 'run').then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof BadInputError, String(error));
    return error.message.replaceAll(root, '');
  });
}

test('a finished analysis is read with its tables', async () => {
  await inTemporaryFolder(async (folder) => {
    await writeSyntheticRun(folder, { seed: 1, layers: [FC], structure: [STRUCTURE_ROW] });
    const { facts, layers, spectra, structure, name } = await openAnalysis(folder, 'run');
    assert.equal(name, 'run');
    assert.equal(facts.lossName, 'cross-entropy');
    assert.deepEqual(
      [facts.samples, facts.loss, facts.accuracy, facts.outputs],
      [100, 0.25, 0.875, 3],
    );
    assert.equal(facts.options.get('measures'), 'factors, eigen, structure');
    assert.deepEqual(
      layers.map(({ layer, out_dim, in_dim }) => [layer, out_dim, in_dim]),
      [['fc/1', 2, 3]],
    );
    assert.equal(spectra.length, 3 + 2 + 6);
    assert.deepEqual(structure, [STRUCTURE_ROW]);
  });
});

test('tables that the run was not to write may be absent', async () => {
  await inTemporaryFolder(async (folder) => {
    const record = { options: { measures: ['factors'] }, command: undefined };
    await writeSyntheticRun(folder, { seed: 1, layers: [FC], record });
    for (const table of ['spectra', 'structure']) await rm(join(folder, `${table}.arrow`));
    const { spectra, structure } = await openAnalysis(folder, 'run');
    assert.deepEqual([spectra, structure], [[], []]);
  });
});

test('what is no finished analysis is refused', async () => {
  await inTemporaryFolder(async (folder) => {
    await writeFile(join(folder, 'file'), '');
    await assert.rejects(
      openAnalysis(join(folder, 'none'), 'x'),
      /is not a result folder: there is no such folder;/,
    );
    await assert.rejects(
      openAnalysis(join(folder, 'file'), 'x'),
      /is not a result folder: it is a file;/,
    );
    await assert.rejects(
      openAnalysis(folder, 'x'),
      /is not a result folder: it has no run\.json; give/,
    );
  });
  assert.match(
    await refusal({ status: 'running' }),
    /^\/run is not finished: its run is still going on or was stopped; finish it first with kronlens analyze --resume$/,
  );
  assert.match(await refusal({ status: 'failed' }), /its run failed/);
  assert.match(await refusal({ command: 'compare' }), /it was made by kronlens compare/);
  assert.match(await refusal({ command: 'bound' }), /it was made by kronlens bound/);
  assert.match(await refusal({ format: 7 }), /run\.json has format 7, this version reads 1/);
});

test('missing and damaged files are named', async () => {
  const remove = (name: string) => (folder: string) => rm(join(folder, name));
  const junk = (name: string, text: string) => (folder: string) =>
    writeFile(join(folder, name), text);
  assert.match(await refusal({}, remove('layers.arrow')), /^\/run\/layers\.arrow is missing/);
  assert.match(
    await refusal({}, remove('spectra.arrow')),
    /^\/run\/spectra\.arrow is missing: the run measured eigen/,
  );
  assert.match(
    await refusal({}, junk('structure.arrow', 'ARROW1')),
    /^\/run\/structure\.arrow is damaged: .*; make/,
  );
  assert.match(
    await refusal({}, junk('run.json', '{"format": 1')),
    /^\/run\/run\.json is damaged: it is no JSON/,
  );
  assert.match(
    await refusal({}, junk('run.json', '[]')),
    /run\.json is damaged: 'it' is not an object/,
  );
  assert.match(
    await refusal({ resolved: { loss: 'mse' } }),
    /damaged: 'resolved\.samples' is not a number/,
  );
  assert.match(await refusal({ data: [{ name: 5 }] }), /damaged: 'data\[0\]\.name' is not a text/);
  assert.match(await refusal({ warnings: [null] }), /damaged: 'warnings\[0\]' is not a text/);
});

test('a matrix is found by the layer that it says it is of', async () => {
  await inTemporaryFolder(async (folder) => {
    const layers = ['a.b', 'a/b', 'a_b'].map((layer) => ({ ...FC, layer }));
    await writeSyntheticRun(folder, { seed: 4, layers });
    for (const { layer } of layers) {
      const matrix = await readMatrix(folder, 'eigenvectors', layer, 'input');
      assert.deepEqual(matrix?.values, syntheticFrame(4, layer, 'input', 3).values);
    }
    assert.equal(await readMatrix(folder, 'eigenvectors', 'a/b', 'ggn'), undefined);
    assert.equal(await readMatrix(folder, 'correspondence', 'c', 'input'), undefined);
    assert.equal(await readMatrix(join(folder, 'none'), 'factors', 'a.b', 'input'), undefined);
  });
  const names = ['a_b.input.arrow', 'a_b~2.input.arrow', 'a_bc.input.arrow', 'a_b.g0.input.arrow'];
  assert.deepEqual(candidateFiles(names, 'a/b', 'input'), names.slice(0, 2));
  assert.deepEqual(candidateFiles(names, 'a/b', 'g0.input'), ['a_b.g0.input.arrow']);
});

test('a matrix that is cut or not finite is refused', async () => {
  await inTemporaryFolder(async (folder) => {
    const path = join(folder, 'factors/fc.input.arrow');
    const matrix = { layer: 'fc', what: 'x', normalisation: '', rows: 2, columns: 2 };
    const bytes = encodeMatrixFile({ ...matrix, values: Float64Array.of(1, 2, Number.NaN, 4) });
    await mkdir(join(folder, 'factors'));
    await writeFile(path, bytes);
    const read = () => readMatrix(folder, 'factors', 'fc', 'input');
    await assert.rejects(read, /fc\.input\.arrow is damaged: row 1, column 0 is NaN; make/);
    await writeFile(path, bytes.subarray(0, 200));
    await assert.rejects(read, /fc\.input\.arrow is damaged: this is no matrix file/);
  });
});
