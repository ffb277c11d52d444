// Times one step of the posterior optimisation of 784-600-1, batch 100: processor time on one thread, and elapsed
// time with an optimisation on each core, as `kronlens bound` runs variants and seeds.
//
//     node scripts/bench-posterior.js [steps]
//
// Compare with python3 scripts/bench-posterior.py in the same minute: the ratio counts.

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeBundle, InputRole } from '@kronlens/proto';
import { encodeModel, int } from '../coordinator/dist/graph/index.js';
import { floatTensor } from '../coordinator/dist/graph/tensor.js';
import {
  openModel,
  parametersOf,
  planPosterior,
  readParameters,
  trainableParameters,
} from '../coordinator/dist/programs/index.js';
import { ortEvaluator } from '../coordinator/dist/testing/ort-evaluator.js';
import { rotation } from '../coordinator/dist/testing/posterior-engine.js';
import { ParameterMemory } from '../worker/dist/posterior/parameter-memory.js';
import {
  BasisTensors,
  ProgramSession,
  programParameters,
} from '../worker/dist/posterior/program-session.js';
import ort from '../worker/dist/session/onnx-runtime.js';

const steps = Number(process.argv[2] ?? 200);
const WARM_UP = 20;
/** A second argument: the process is one of several, and prints numbers alone. */
const isOneOfSeveral = process.argv[3] === 'beside-others';

function model() {
  const layer = (name, input, output) => ({
    name,
    op: 'Gemm',
    domain: '',
    inputs: [input, `${name}.weight`, `${name}.bias`],
    outputs: [output],
    attributes: { transB: int(1) },
    metadata: new Map(),
  });
  const relu = { ...layer('relu', '', 'a'), op: 'Relu', inputs: ['z'], attributes: {} };
  const values = (shape) => {
    const length = shape.reduce((product, size) => product * size, 1);
    return floatTensor(
      Float32Array.from({ length }, (_, i) => Math.sin(i) / 28),
      shape,
    );
  };
  const shapes = {
    'fc1.weight': [600, 784],
    'fc1.bias': [600],
    'fc2.weight': [1, 600],
    'fc2.bias': [1],
  };
  return encodeModel({
    opset: 20,
    irVersion: 9,
    inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 784] }],
    outputs: [{ name: 'logit', dtype: 'float32', shape: ['N', 1] }],
    nodes: [layer('fc1', 'x', 'z'), relu, layer('fc2', 'a', 'logit')],
    initializers: new Map(Object.entries(shapes).map(([name, shape]) => [name, values(shape)])),
    domains: new Map(),
  });
}

async function measure(opened, isRotated) {
  const { parameters } = await trainableParameters(opened);
  const rotated = isRotated ? parametersOf(parameters, new Set(['fc1', 'fc2'])) : new Set();
  const run = { samples: 10_000, batch: 100, memoryBytes: 2 ** 30 };
  const { step } = await planPosterior(opened, 'bce', parameters, rotated, run);
  const artifacts = new Map([['model', step.full.model]]);
  const basis = (size) => {
    const id = `basis ${size}`;
    const shape = [size, size];
    const tensor = { name: 'eigenvectors', shape, symmetric: false, values: rotation(size) };
    if (!artifacts.has(id)) artifacts.set(id, encodeBundle([tensor]));
    return id;
  };
  const ids = ({ name, layer }) => [
    name,
    [{ output: basis(layer.outDim), input: basis(layer.inDim) }],
  ];
  const context = { artifact: async (id) => artifacts.get(id), native: (call) => call() };
  const program = { ...step.full.manifest, model: 'model' };
  const memory = new ParameterMemory(programParameters(program));
  const trained = readParameters(await opened.at(2), parameters);
  for (const [index, parameter] of memory.parameters.entries()) {
    parameter.values('mean').set(trained[index].values);
    parameter.values('logStd').fill(-4);
  }
  const session = await ProgramSession.open(
    program,
    memory,
    new BasisTensors(new Map(isRotated ? parameters.map(ids) : []), context),
    (parameter, role) => parameter.input(role),
    (parameter, kind) => parameter.tensor(kind === 'noise_gradient' ? 'noiseGradient' : 'gradient'),
    context,
  );
  const data = {};
  for (const { name, role, shape } of program.inputs) {
    if (![InputRole.DATA, InputRole.LABEL, InputRole.CAPTURED].includes(role)) continue;
    const sizes = shape.map(Number);
    const length = sizes.reduce((product, size) => product * size, 1);
    const value = (i) => (role === InputRole.LABEL ? i % 2 : Math.sin(i));
    data[name] = new ort.Tensor(
      'float32',
      Float32Array.from({ length }, (_, i) => value(i)),
      sizes,
    );
  }
  const factors = { scale: 0.01, pull: 1e-5, push: 1e-6, alpha: 0.9, rest: 0.1, epsilon: 1e-8 };
  let best = Number.POSITIVE_INFINITY;
  let all = 0;
  let elapsed = 0;
  for (let index = 0; index < WARM_UP + steps; index++) {
    const before = process.cpuUsage();
    const start = performance.now();
    await session.run(data, context);
    for (const [place, parameter] of memory.parameters.entries())
      memory.step(parameter, [place, index, 0], [1, 0], { ...factors, rate: 1e-5 });
    const { user, system } = process.cpuUsage(before);
    const busy = (user + system) / 1000;
    best = Math.min(best, busy);
    if (index < WARM_UP) continue;
    all += busy;
    elapsed += performance.now() - start;
  }
  await session.release();
  return { best, mean: all / steps, elapsed: elapsed / steps };
}

/** Mean elapsed milliseconds of a step in each of as many processes as there are cores. */
async function beside() {
  const children = Array.from({ length: availableParallelism() }, async () => {
    const argv = [fileURLToPath(import.meta.url), String(steps), 'beside-others'];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    for await (const chunk of child.stdout) text += chunk;
    return JSON.parse(text);
  });
  return await Promise.all(children);
}

const shown = ({ best, mean }) => `${best.toFixed(1)} ms, in the mean ${mean.toFixed(1)} ms`;

const folder = await mkdtemp(join(tmpdir(), 'kronlens-bench-'));
try {
  await writeFile(join(folder, 'model.onnx'), model());
  const opened = await openModel(join(folder, 'model.onnx'), ortEvaluator);
  const [standard, rotated] = [await measure(opened, false), await measure(opened, true)];
  if (isOneOfSeveral) {
    console.log(JSON.stringify([standard.elapsed, rotated.elapsed]));
  } else {
    console.log('a step takes at least, of processor time:');
    console.log(`kronlens, standard basis ${shown(standard)}; rotated ${shown(rotated)}`);
    const each = await beside();
    const [a, b] = [0, 1].map((basis) =>
      each.map((times) => times[basis].toFixed(1)).join(' and '),
    );
    console.log(
      `elapsed in the mean, ${each.length} optimisations side by side: ${a} ms; rotated ${b} ms`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
