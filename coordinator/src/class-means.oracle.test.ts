// Class and cross-class means of whole analyses against float64 oracles from PyTorch.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeMatrixFile, layerFileNames } from '@kronlens/proto';
import { analyse } from './testing/analyse.js';
import { assertNear, measured, measureFixtures, structureOf } from './testing/measure-fixtures.js';

const SHARE = 1e-4;

for (const { name, model, data, oracle } of measureFixtures()) {
  const { classMeans, loss } = oracle;
  if (classMeans === undefined) continue;
  for (const bias of ['separate', 'joint'] as const) {
    test(`class means of ${name}, ${bias} bias`, async (t) => {
      const options = { loss, measures: ['factors'] as const, batch: 8, bias, classMeans: true };
      const { folder } = await analyse(t, { model, data }, options);
      const rows = await structureOf(folder);
      const stems = layerFileNames(classMeans.map(({ layer }) => layer));
      for (const { layer, counts, gammaShare, gamma, ...expected } of classMeans) {
        const find = (measure: string) => measured(rows, layer, measure)[0];
        assertNear(`${layer} gamma`, find('class_mean_share_output'), gammaShare, SHARE);
        const share = bias === 'joint' ? expected.deltaShareJoint : expected.deltaShare;
        assertNear(`${layer} delta`, find('class_mean_share_ggn'), share, SHARE);
        const matrix = async (kind: string) =>
          decodeMatrixFile(
            await readFile(join(folder, 'class_means', `${stems.get(layer)}.${kind}.arrow`)),
          );
        const found = await matrix('gamma');
        assert.deepEqual(JSON.parse(found.metadata?.counts ?? ''), counts);
        const wanted = gamma.flat();
        const present = counts.flatMap((count, i) => (count > 0 ? [i] : []));
        const columns = wanted.length / present.length;
        const scale = Math.max(...wanted.flat().map(Math.abs));
        for (const [index, row] of wanted.entries()) {
          const place = (present[Math.floor(index / columns)] ?? 0) * columns + (index % columns);
          const at = place * found.columns;
          for (const [k, value] of row.entries())
            assertNear(`${layer} gamma ${index} ${k}`, found.values[at + k], value, 1e-5 * scale);
        }
        if (bias === 'joint') continue;
        const delta = await matrix('delta');
        const norms = expected.deltaNorms.flat();
        for (const [index, norm] of norms.entries()) {
          const place = (present[Math.floor(index / columns)] ?? 0) * columns + (index % columns);
          const own = delta.values.subarray(place * delta.columns, (place + 1) * delta.columns);
          const square = own.reduce((sum, value) => sum + value * value, 0);
          assertNear(`${layer} delta ${index}`, square, norm, 1e-4 * Math.max(...norms));
        }
      }
    });
  }
}
