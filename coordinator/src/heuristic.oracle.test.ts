// The heuristic output eigenspace and the surrogate of whole analyses against float64 oracles from PyTorch.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { analyse } from './testing/analyse.js';
import { assertNear, measured, measureFixtures, structureOf } from './testing/measure-fixtures.js';

const OVERLAP = 2e-3;

for (const { name, model, data, oracle } of measureFixtures()) {
  const { heuristics } = oracle;
  if (heuristics === undefined) continue;
  test(`heuristic eigenspace and surrogate of ${name}`, async (t) => {
    const options = { loss: oracle.loss, measures: ['structure'] as const, batch: 8 };
    const { folder, record } = await analyse(t, { model, data }, options);
    const rows = await structureOf(folder);
    for (const { layer, heuristicOverlap, surrogateOverlap, surrogateError } of heuristics) {
      const find = (measure: string) => measured(rows, layer, measure)[0];
      assertNear(`${layer} heuristic`, find('heuristic_overlap'), heuristicOverlap, OVERLAP);
      assertNear(`${layer} surrogate`, find('surrogate_overlap'), surrogateOverlap, OVERLAP);
      assertNear(`${layer} error`, find('surrogate_error'), surrogateError, 1e-5);
    }
    const files = await readdir(join(folder, 'factors'));
    assert.equal(
      files.filter((file) => file.endsWith('.surrogate.arrow')).length,
      heuristics.length,
    );
    const convolutions = record.layers.filter(({ layer }) => layer.startsWith('conv'));
    assert.equal(record.notes.length, convolutions.length === 0 ? 0 : 1);
  });
}

test('where no chain leads to the logits there is no row, and the record says why', async (t) => {
  const [fixture] = measureFixtures('cnn-rich');
  assert.ok(fixture !== undefined);
  const { folder, record } = await analyse(t, fixture, { measures: ['structure'] });
  const rows = await structureOf(folder);
  assert.deepEqual(
    rows.filter(({ measure }) => measure === 'heuristic_overlap').map(({ layer }) => layer),
    ['head'],
  );
  const [note = ''] = record.notes;
  assert.match(
    note,
    /^no heuristic_overlap where no chain .* leads to the logits: stem \(it has 25 positions a sample\), block\.grouped \(/,
  );
});
