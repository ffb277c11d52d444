// How fast this machine multiplies matrices in ONNX Runtime, and how much of that a program needs.

import { decodeModel, encodeModel, specialise, typeOf } from '../coordinator/dist/graph/index.js';
import ort from '../worker/dist/session/onnx-runtime.js';

/** Rows and columns of the product that the rate is measured by. */
const SIZE = 1024;

/**
 * GFLOP/s of one float32 MatMul of 1024 x 1024 matrices.
 * @param threads intra-op threads of the session
 * @param runs the fastest of so many counts
 */
export async function gemmRate(threads, runs = 20) {
  const value = (name) => ({ name, dtype: 'float32', shape: [SIZE, SIZE] });
  const node = { name: 'm', op: 'MatMul', domain: '', attributes: {}, metadata: new Map() };
  const model = encodeModel({
    opset: 20,
    irVersion: 9,
    inputs: [value('a'), value('b')],
    outputs: [value('c')],
    nodes: [{ ...node, inputs: ['a', 'b'], outputs: ['c'] }],
    initializers: new Map(),
    domains: new Map(),
  });
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: threads });
  const matrix = () => {
    const values = Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.sin(i));
    return new ort.Tensor('float32', values, [SIZE, SIZE]);
  };
  const feeds = { a: matrix(), b: matrix() };
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run <= runs; run++) {
    const start = performance.now();
    await session.run(feeds);
    if (run > 0) best = Math.min(best, performance.now() - start);
  }
  await session.release();
  return (2 * SIZE ** 3) / best / 1e6;
}

const sizeOf = (shape) => shape.reduce((product, size) => product * size, 1);

/** Floating-point operations of one node: two a multiply-add of its matrix products, else none. */
function operations(graph, { op, inputs, outputs, attributes }) {
  const shape = (value) => typeOf(graph, value).shape;
  switch (op) {
    case 'MatMul':
      return 2 * sizeOf(shape(outputs[0])) * shape(inputs[0]).at(-1);
    case 'Gemm':
      return 2 * sizeOf(shape(outputs[0])) * shape(inputs[0])[attributes.transA?.value ? 0 : 1];
    case 'Conv':
      return 2 * sizeOf(shape(outputs[0])) * sizeOf(shape(inputs[1]).slice(1));
    case 'ConvTranspose':
      return 2 * sizeOf(shape(inputs[0])) * sizeOf(shape(inputs[1]).slice(1));
    default:
      return 0;
  }
}

/** GFLOP of the matrix products and convolutions in one execution of a program. */
export async function programGflop(built, evaluator) {
  const graph = decodeModel(built.model);
  const shapes = new Map(built.manifest.inputs.map(({ name, shape }) => [name, shape.map(Number)]));
  const shaped = await specialise(graph, shapes, evaluator);
  return shaped.nodes.reduce((total, node) => total + operations(shaped, node), 0) / 1e9;
}
