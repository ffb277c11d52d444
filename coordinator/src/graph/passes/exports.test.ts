// The forms that PyTorch's exporters write, read from files, made canonical and run: all compute the same.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertClose } from '../../testing/closeness.js';
import { ortEvaluator } from '../../testing/ort-evaluator.js';
import { encodeModel } from '../codec/encode-model.js';
import { loadModel } from '../codec/load-model.js';
import { opRule } from '../ops/table.js';
import { floatTensor } from '../tensor.js';
import { canonicalise } from './canonicalise.js';

const folder = fileURLToPath(new URL('../../../fixtures/exports/', import.meta.url));
const expected: { shape: number[]; x: number[]; y: number[][] } = JSON.parse(
  readFileSync(`${folder}expected.json`, 'utf8'),
);
const feeds = new Map([['x', floatTensor(expected.x, expected.shape)]]);
const y = floatTensor(expected.y.flat(), [3, 3]);

describe('canonicalise on exported files', () => {
  for (const form of ['torchscript9', 'torchscript11', 'functions17', 'current20', 'external20']) {
    it(`keeps what ${form}.onnx computes, in ops of the table alone`, async () => {
      const { graph } = await loadModel(`${folder}${form}.onnx`);
      const canonical = canonicalise(graph);
      assert.equal(canonical.opset, 20);
      assert.deepEqual(
        canonical.nodes.filter(({ op, domain }) => domain !== '' || opRule(op) === undefined),
        [],
      );
      const left = canonical.nodes.filter(({ op }) => ['Identity', 'Dropout'].includes(op));
      assert.deepEqual(left, []);
      for (const model of [graph, canonical]) {
        const output = model.outputs[0]?.name ?? '';
        const { tensors } = await ortEvaluator.evaluate(encodeModel(model), feeds, [output]);
        assertClose(tensors.get(output), y, 1e-6, output);
      }
    });
  }

  it('finds a weight that is used twice under one name', async () => {
    const { graph } = await loadModel(`${folder}torchscript9.onnx`);
    const tied = canonicalise(graph).nodes.filter((node) => node.inputs.includes('tied.weight'));
    assert.equal(tied.length, 2);
  });
});
