// Position embeddings with one row of indices for all samples: the results do not depend on how a file spells them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { canonicalise, decodeModel, encodeModel, tensor } from './graph/index.js';
import { analyse } from './testing/analyse.js';
import { writeModel } from './testing/model-file.js';
import { digests, temporaryFolder } from './testing/result-folder.js';
import { node } from './testing/small-graph.js';

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'zoo', 'gpt2');
const WEIGHT = 'model.transformer.wpe.weight';
const POSITIONS = [0, 1, 2, 3, 4];

/**
 * The results of a GPT-2 whose position ids are replaced.
 * @param shape of the ids
 * @param addsAxis whether an axis is put in front of their rows
 */
async function results(t: TestContext, shape: readonly number[], addsAxis: boolean) {
  const read = canonicalise(
    decodeModel(readFileSync(join(FOLDER, 'torchscript.onnx')), 'gpt2', FOLDER),
  );
  const nodes = read.nodes.flatMap((one) => {
    if (one.op !== 'Gather' || one.inputs[0] !== WEIGHT) return [one];
    const gather = { ...one, inputs: [WEIGHT, 'ids'] };
    const [output = ''] = one.outputs;
    return addsAxis
      ? [{ ...gather, outputs: ['rows'] }, node('Unsqueeze', ['rows', 'front'], [output])]
      : [gather];
  });
  const initializers = new Map(read.initializers)
    .set('ids', tensor.intTensor(POSITIONS, shape))
    .set('front', tensor.intTensor([0]));
  const { folder, remove } = await temporaryFolder();
  t.after(remove);
  const bytes = encodeModel({ ...read, nodes, initializers });
  const outcome = await analyse(
    t,
    {
      model: await writeModel(join(folder, 'model.onnx'), bytes),
      data: join(FOLDER, 'data.npz'),
    },
    // Three samples: the last batch has one.
    { layers: ['*.wpe', '*.c_attn'], batch: 2, outputHessian: 'sketch' },
  );
  const { 'run.json': _, ...files } = await digests(outcome.folder);
  return files;
}

describe('ids of positions', () => {
  it('may lack the axis of the batch', async (t) => {
    const expected = await results(t, [1, POSITIONS.length], false);
    assert.ok(Object.hasOwn(expected, 'factors/model.transformer.wpe.input.arrow'));
    assert.deepEqual(await results(t, [POSITIONS.length], false), expected);
    assert.deepEqual(await results(t, [POSITIONS.length], true), expected);
  });
});
