// Random two-layer networks and their inputs, as the theory of outliers has them, written as files.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeModel } from '../graph/codec/encode-model.js';
import { int, tensor } from '../graph/index.js';
import { writeNpy } from './npy-file.js';
import { graph, info, node } from './small-graph.js';

/** Standard normals that a seed determines: a congruential generator (Lehmer) and Box and Muller. */
function normals(seed: number): () => number {
  let state = seed * 2 + 1;
  const uniform = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

export interface TwoLayerNetwork {
  /** n, hidden units. */
  readonly width: number;
  /** d, inputs. */
  readonly inputs: number;
  /** c. */
  readonly classes: number;
  readonly samples: number;
  readonly seed: number;
}

/**
 * fc1 [n, d] of N(0, 1/d), ReLU, fc2 [c, n] of N(0, 1/n), no biases; x = max(N(0, I_d), 0)
 * (arXiv 2010.04261, theory of random two-layer networks).
 * @returns where the model and its data are
 */
export async function writeTwoLayerNetwork(
  folder: string,
  { width: n, inputs: d, classes: c, samples, seed }: TwoLayerNetwork,
): Promise<{ readonly model: string; readonly data: string }> {
  const normal = normals(seed);
  const weights = (rows: number, columns: number) =>
    tensor.floatTensor(
      Array.from({ length: rows * columns }, () => normal() / Math.sqrt(columns)),
      [rows, columns],
    );
  const model = join(folder, `two-layer-${n}.onnx`);
  const network = graph({
    inputs: [info('x', ['batch', d])],
    outputs: [info('logits', ['batch', c])],
    nodes: [
      node('Gemm', ['x', 'fc1.weight'], ['z'], { transB: int(1) }),
      node('Relu', ['z'], ['h']),
      node('Gemm', ['h', 'fc2.weight'], ['logits'], { transB: int(1) }),
    ],
    initializers: new Map([
      ['fc1.weight', weights(n, d)],
      ['fc2.weight', weights(c, n)],
    ]),
  });
  await writeFile(model, encodeModel(network));
  const data = join(folder, `x-${n}.npy`);
  const x = Float32Array.from({ length: samples * d }, () => Math.max(0, normal()));
  await writeNpy(data, x, [samples, d]);
  return { model, data };
}
