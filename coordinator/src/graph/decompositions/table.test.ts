// Composite ops and what they are rewritten into must compute the same, in ops of the table alone.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertClose } from '../../testing/closeness.js';
import { ortEvaluator } from '../../testing/ort-evaluator.js';
import { encodeModel } from '../codec/encode-model.js';
import type { Graph } from '../graph.js';
import { opRule } from '../ops/table.js';
import { canonicalise } from '../passes/canonicalise.js';
import { specialise } from '../specialise.js';
import { COMPOSITE_CASES, caseGraph, caseValues } from './composite-cases.js';
import { FUSED_ATTENTION_CASES } from './fused-attention-cases.js';
import { LOSS_CASES } from './loss-cases.js';
import { compositeOps } from './table.js';

async function results(model: Graph, values: ReturnType<typeof caseValues>) {
  const names = model.outputs.map((output) => output.name);
  const feeds = new Map(model.inputs.map(({ name }) => [name, values.get(name)] as const));
  const present = new Map([...feeds].flatMap(([name, value]) => (value ? [[name, value]] : [])));
  const bytes = encodeModel(model, { untypedOutputs: true });
  return (await ortEvaluator.evaluate(bytes, present, names)).tensors;
}

const CASES = [...COMPOSITE_CASES, ...FUSED_ATTENTION_CASES, ...LOSS_CASES];

describe('composite ops', () => {
  for (const example of CASES) {
    const { op, what } = example;
    it(`${op}${what === undefined ? '' : `, ${what}`}, is rewritten into ops with rules`, async () => {
      const before = caseGraph(example);
      const values = caseValues(example);
      const after = canonicalise(before);
      const shapes = new Map([...values].map(([name, { shape }]) => [name, shape]));
      const shaped = await specialise(after, shapes, ortEvaluator);
      const strange = shaped.nodes.filter(
        (node) => node.domain !== '' || opRule(node.op) === undefined,
      );
      assert.deepEqual(strange, []);
      const expected = await results(before, values);
      for (const model of [after, shaped]) {
        const actual = await results(model, values);
        for (const { name } of before.outputs)
          assertClose(actual.get(name), expected.get(name), 2e-6, name);
      }
    });
  }

  it('have a case each', () => {
    const tested = new Set(CASES.map(({ op }) => op.replace('/', '.')));
    assert.deepEqual(
      compositeOps().filter((op) => !tested.has(op)),
      [],
    );
  });
});
