// Drawn and sketched output Hessians of a language model with a vocabulary of thousands: the same bytes for any shard.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { encodeModel, type Tensor, tensor } from './graph/index.js';
import { analyse } from './testing/analyse.js';
import { writeModel } from './testing/model-file.js';
import { writeNpy } from './testing/npy-file.js';
import { digests, temporaryFolder } from './testing/result-folder.js';
import { graph, info, node } from './testing/small-graph.js';

const [SAMPLES, TOKENS, VOCABULARY, WIDTH] = [7, 3, 3000, 5];

function weights(shape: readonly number[]): Tensor {
  const size = shape.reduce((product, n) => product * n, 1);
  const values = Float32Array.from({ length: size }, (_, index) => Math.sin(1 + index * 0.7371));
  return tensor.floatTensor(values, shape);
}

/** ids [batch, 3] -> wte + wpe -> fc -> Tanh -> head: logits [batch, 3, 3000]. */
const MODEL = encodeModel(
  graph({
    inputs: [{ name: 'ids', dtype: 'int64', shape: ['batch', TOKENS] }],
    outputs: [info('logits', ['batch', TOKENS, VOCABULARY])],
    nodes: [
      node('Gather', ['wte.weight', 'ids'], ['tokens']),
      node('Gather', ['wpe.weight', 'positions'], ['rows']),
      node('Add', ['tokens', 'rows'], ['embedded']),
      node('MatMul', ['embedded', 'fc.weight'], ['hidden']),
      node('Tanh', ['hidden'], ['active']),
      node('MatMul', ['active', 'head.weight'], ['logits']),
    ],
    initializers: new Map([
      ['wte.weight', weights([VOCABULARY, WIDTH])],
      ['wpe.weight', weights([8, WIDTH])],
      ['positions', tensor.intTensor([0, 1, 2])],
      ['fc.weight', weights([WIDTH, WIDTH])],
      ['head.weight', weights([WIDTH, VOCABULARY])],
    ]),
  }),
);

describe('shards of a language model', () => {
  let files: { model: string; data: string; labels: string };

  let remove = async () => {};
  after(() => remove());

  before(async () => {
    const temporary = await temporaryFolder();
    remove = temporary.remove;
    const { folder } = temporary;
    const ids = BigInt64Array.from({ length: SAMPLES * TOKENS }, (_, index) =>
      BigInt((index * 811) % VOCABULARY),
    );
    const y = ids.map((id, index) => (index % 5 === 0 ? -100n : (id * 7n) % BigInt(VOCABULARY)));
    const shape = [SAMPLES, TOKENS];
    files = {
      model: await writeModel(join(folder, 'model.onnx'), MODEL),
      data: await writeNpy(join(folder, 'ids.npy'), ids, shape),
      labels: await writeNpy(join(folder, 'y.npy'), y, shape),
    };
  });

  for (const outputHessian of ['sketch', 'mc'] as const)
    it(`change no byte with ${outputHessian}`, async (t) => {
      const run = async (shard: number, parallel: number) => {
        const { folder } = await analyse(
          t,
          { ...files, shard, parallel },
          {
            layers: ['wte', 'wpe', 'fc'],
            measures: ['factors', 'eigen'],
            outputHessian,
            mcSamples: 3,
            batch: 1,
            seed: 5,
          },
        );
        return await digests(folder);
      };
      const whole = await run(SAMPLES, 1);
      for (const name of ['wte', 'wpe', 'fc'])
        for (const factor of ['input', 'output'])
          assert.ok(Object.hasOwn(whole, join('factors', `${name}.${factor}.arrow`)), name);
      assert.deepEqual(await run(1, 1), whole);
      assert.deepEqual(await run(2, 2), whole);
    });
});
