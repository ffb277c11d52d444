// One test over the whole op table: every rule's examples, differentiated twice.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { observe } from '../../testing/observe.js';
import { ortEvaluator } from '../../testing/ort-evaluator.js';
import { encodeModel } from '../codec/encode-model.js';
import { elementCount } from '../graph.js';
import { type CheckRuntime, checkRule } from './check-rule.js';
import { opRules } from './table.js';

const runtime: CheckRuntime = {
  async shape(graph) {
    const feeds = new Map(
      graph.inputs.map((input) => {
        const shape = (input.shape ?? []) as readonly number[];
        const bytes = new Uint8Array(elementCount(shape) * (input.dtype === 'float32' ? 4 : 8));
        return [input.name, { dtype: input.dtype, shape, bytes }] as const;
      }),
    );
    return await observe(graph, feeds, ortEvaluator);
  },
  async run(graph, feeds) {
    const names = graph.outputs.map((output) => output.name);
    const model = encodeModel(graph, { untypedOutputs: true });
    return (await ortEvaluator.evaluate(model, feeds, names)).tensors;
  },
};

describe('the op table', () => {
  it('has one rule per op', () => {
    const ops = opRules().map((rule) => rule.op);
    assert.deepEqual(ops, [...new Set(ops)]);
  });

  for (const rule of opRules()) {
    it(`${rule.op} agrees with finite differences at orders 1 and 2`, async () => {
      assert.notEqual(rule.examples.length, 0, `${rule.op} has no example`);
      const names = rule.examples.map((example) => example.name);
      assert.deepEqual(names, [...new Set(names)], 'names of examples are unique within the op');
      const problems: string[] = [];
      for (const example of rule.examples)
        problems.push(...(await checkRule(rule, example, runtime)));
      assert.deepEqual(problems, []);
    });
  }
});
