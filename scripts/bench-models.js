// The benchmark's networks and data: ONNX files with seeded weights, made through the project's own codec.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeModel, int, ints } from '../coordinator/dist/graph/index.js';
import { floatTensor } from '../coordinator/dist/graph/tensor.js';
import { npyBytes } from '../coordinator/dist/testing/npy-file.js';

export const SAMPLES = 1024;
export const CLASSES = 10;

/** Uniform numbers in [0, 1) (mulberry32): the same on every machine. */
export function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A chain of nodes over one value, with weights drawn as PyTorch draws them: +-1/sqrt(fan in). */
export class Chain {
  nodes = [];
  initializers = new Map();
  value = 'x';
  #random = uniforms(7);

  #weights(name, shape, fanIn) {
    const count = shape.reduce((product, size) => product * size, 1);
    const bound = 1 / Math.sqrt(fanIn);
    const values = Float32Array.from({ length: count }, () => (2 * this.#random() - 1) * bound);
    this.initializers.set(name, floatTensor(values, shape));
    return name;
  }

  apply(op, inputs = [], attributes = {}, output = `${op}_${this.nodes.length}`) {
    const [name, domain, metadata] = [output, '', new Map()];
    const all = [this.value, ...inputs];
    this.nodes.push({ name, op, domain, inputs: all, outputs: [output], attributes, metadata });
    this.value = output;
    return this;
  }

  linear(name, inDim, outDim) {
    const weight = this.#weights(`${name}.weight`, [outDim, inDim], inDim);
    const bias = this.#weights(`${name}.bias`, [outDim], inDim);
    return this.apply('Gemm', [weight, bias], { transB: int(1) }, name);
  }

  conv(name, inChannels, outChannels, size) {
    const fanIn = inChannels * size * size;
    const weight = this.#weights(`${name}.weight`, [outChannels, inChannels, size, size], fanIn);
    const bias = this.#weights(`${name}.bias`, [outChannels], fanIn);
    return this.apply('Conv', [weight, bias], { kernel_shape: ints([size, size]) }, name);
  }

  relu() {
    return this.apply('Relu');
  }

  pool() {
    return this.apply('MaxPool', [], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
  }

  model(sampleShape, outputs = CLASSES) {
    return encodeModel({
      opset: 20,
      irVersion: 9,
      inputs: [{ name: 'x', dtype: 'float32', shape: ['N', ...sampleShape] }],
      outputs: [{ name: this.value, dtype: 'float32', shape: ['N', outputs] }],
      nodes: this.nodes,
      initializers: this.initializers,
      domains: new Map(),
    });
  }
}

/** 1x28x28; convolutions of 6 and 16 channels (5x5, max-pool 2); 256-120-84-10. */
function lenet() {
  const chain = new Chain();
  chain.conv('conv1', 1, 6, 5).relu().pool().conv('conv2', 6, 16, 5).relu().pool().apply('Flatten');
  chain.linear('fc1', 256, 120).relu().linear('fc2', 120, 84).relu().linear('fc3', 84, CLASSES);
  return chain;
}

/** 784-600-600-10. */
function fullyConnected() {
  const chain = new Chain();
  return chain
    .linear('fc1', 784, 600)
    .relu()
    .linear('fc2', 600, 600)
    .relu()
    .linear('fc3', 600, CLASSES);
}

export const NETWORKS = {
  lenet: { title: 'LeNet', build: lenet, sampleShape: [1, 28, 28] },
  fc: { title: 'FC 784-600-600-10', build: fullyConnected, sampleShape: [784] },
};

/** Writes model, samples and labels of a network. @returns their paths */
export async function writeNetwork(name, folder) {
  const { build, sampleShape } = NETWORKS[name];
  const paths = {
    model: join(folder, `${name}.onnx`),
    data: join(folder, `${name}-x.npy`),
    labels: join(folder, 'y.npy'),
  };
  const random = uniforms(11);
  const size = sampleShape.reduce((product, n) => product * n, 1);
  const x = Float32Array.from({ length: SAMPLES * size }, random);
  const y = BigInt64Array.from({ length: SAMPLES }, () => BigInt(Math.floor(random() * CLASSES)));
  await writeFile(paths.model, build().model(sampleShape));
  await writeFile(paths.data, npyBytes(x, [SAMPLES, ...sampleShape]));
  await writeFile(paths.labels, npyBytes(y, [SAMPLES]));
  return paths;
}
