// Posterior tasks in this process, for tests: a model's programs stored, tasks made of them, results read.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type BundleTensor,
  create,
  decodeBundle,
  encodeBundle,
  type ParameterBasis,
  ParameterBasisSchema,
  PosteriorDrawsTaskSchema,
  PosteriorTaskSchema,
  type Task,
  TaskSchema,
} from '@kronlens/proto';
import { openEmbedded } from '../embedded.js';
import { isEmbedding } from '../layers/index.js';
import type { Engine } from '../plan/engine.js';
import { artifactOf, storeProgram } from '../plan/factor-stage.js';
import { DataSource, type RunData } from '../plan/run-data.js';
import {
  defaultLoss,
  type OpenedModel,
  openModel,
  type Parameter,
  planEvaluation,
  planPosterior,
  readParameters,
  type SurrogateLoss,
  surrogateLoss,
  trainableParameters,
} from '../programs/index.js';
import { CODE_VERSION } from '../version.js';

type Fields<S> = Partial<S>;
type StepFields = Fields<{
  seed: bigint;
  priorMean: string;
  start: string;
  firstScale: number;
  firstEpoch: bigint;
  lastEpoch: bigint;
  checkpointSeconds: number;
  optimiser: {
    learningRate: number;
    alpha: number;
    epsilon: number;
    decay: number;
    decayEpochs: number;
  };
}>;

export interface PosteriorBench {
  readonly engine: Engine;
  readonly model: OpenedModel;
  readonly parameters: readonly Parameter[];
  readonly samples: number;
  readonly loss: SurrogateLoss;
  readonly data: RunData;
  bundle(tensors: readonly BundleTensor[]): Promise<string>;
  /** The trained parameters. */
  trained(): Promise<readonly BundleTensor[]>;
  /** A task of one epoch. @param bases of rotated parameters */
  task(bases: readonly ParameterBasis[], fields: StepFields): Promise<Task>;
  /** Runs such a task. */
  run(bases: readonly ParameterBasis[], fields: StepFields): Promise<PosteriorAnswer>;
  /** `errors` and `loss` of draws of a state. */
  draws(
    bases: readonly ParameterBasis[],
    fields: Fields<{
      state: string;
      firstDraw: bigint;
      drawCount: bigint;
      mean: boolean;
      drawSamples: bigint;
    }>,
  ): Promise<ReadonlyMap<string, BundleTensor>>;
}

export interface PosteriorAnswer {
  readonly stateId: string;
  readonly state: ReadonlyMap<string, BundleTensor>;
  readonly history: ReadonlyMap<string, BundleTensor>;
}

export const DEFAULT_OPTIMISER = {
  learningRate: 1e-3,
  alpha: 0.9,
  epsilon: 1e-8,
  decay: 0.1,
  decayEpochs: 400,
};

interface BenchOptions {
  /** Of artifacts and results; undefined: one of its own. */
  readonly folder?: string;
  readonly signal?: AbortSignal;
}

/** A number of a state. */
export const single = (name: string, value: number): BundleTensor => ({
  name,
  shape: [1],
  symmetric: false,
  values: Float64Array.of(value),
});

/** A folder that goes after the test. */
export async function storeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kronlens-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens a model and its data; everything goes after the test. @param batch of a step */
export async function posteriorBench(
  t: TestContext,
  files: { readonly model: string; readonly data: string },
  batch: number,
  { folder, signal = new AbortController().signal }: BenchOptions = {},
): Promise<PosteriorBench> {
  const engine = await openEmbedded({
    storeFolder: folder ?? (await storeFolder(t)),
    parallel: 1,
    signal,
    device: 'cpu',
    linalg: 'auto',
  });
  t.after(() => engine.close());
  const model = await openModel(files.model, engine.evaluator);
  const loss = surrogateLoss(defaultLoss(model.logits), model.logits.outputs);
  const source = new DataSource(engine.queue, { data: files.data, labels: undefined });
  const data = await source.match(model, loss, { scale: undefined, samples: undefined });
  const { parameters } = await trainableParameters(model);
  const fixed = model.fixedBatch;
  const run = { samples: data.samples, batch: fixed ?? batch, memoryBytes: 2 ** 30 };
  const bundle = (tensors: readonly BundleTensor[]) => engine.store.put(encodeBundle(tensors));
  const stored = async (built: Parameters<typeof storeProgram>[1] | undefined) =>
    built === undefined ? '' : await storeProgram(engine, built);
  const trained = async () => readParameters(await model.at(fixed ?? 2), parameters);
  const common = {
    arrays: [...data.arrays],
    samples: BigInt(data.samples),
    seed: 7n,
    memoryBytes: 2n ** 30n,
  };
  const plan = (bases: readonly ParameterBasis[]) =>
    planPosterior(model, loss, parameters, new Set(bases.map((basis) => basis.parameter)), run);
  const task = async (bases: readonly ParameterBasis[], fields: StepFields) => {
    const { step, projection } = await plan(bases);
    const value = create(PosteriorTaskSchema, {
      ...common,
      program: await stored(step.full),
      tailProgram: await stored(step.tail),
      capture: await stored(projection?.full),
      tailCapture: await stored(projection?.tail),
      parameters: await bundle(await trained()),
      firstRho: -3,
      bases: [...bases],
      penalty: { delta: 0.025, precision: 100, largestVariance: 0.1 },
      optimiser: DEFAULT_OPTIMISER,
      firstEpoch: 0n,
      lastEpoch: 1n,
      ...fields,
    });
    return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'posterior', value } });
  };
  return {
    engine,
    model,
    parameters,
    samples: data.samples,
    loss,
    data,
    bundle,
    trained,
    task,
    run: async (bases, fields) => {
      const result = await engine.queue.submit(await task(bases, fields));
      const stateId = artifactOf(result, 'state');
      return {
        stateId,
        state: decodeBundle(await engine.store.get(stateId)),
        history: decodeBundle(await engine.store.get(artifactOf(result, 'history'))),
      };
    },
    draws: async (bases, fields) => {
      const evaluation = await planEvaluation(model, loss, parameters, {
        ...run,
        samples: Number(fields.drawSamples || BigInt(data.samples)),
        batch: fixed ?? 16,
      });
      const value = create(PosteriorDrawsTaskSchema, {
        ...common,
        drawProgram: await stored((await plan(bases)).draw),
        program: await stored(evaluation.full),
        tailProgram: await stored(evaluation.tail),
        bases: [...bases],
        ...fields,
      });
      const kind = { case: 'posteriorDraws', value } as const;
      const result = await engine.queue.submit(
        create(TaskSchema, { codeVersion: CODE_VERSION, kind }),
      );
      return decodeBundle(await engine.store.get(artifactOf(result, 'draws')));
    },
  };
}

/** Bases made of reflections for all layers of the model, stored as results of eigen tasks are. */
export async function rotatedBases(bench: PosteriorBench): Promise<readonly ParameterBasis[]> {
  const basis = async (size: number) => {
    const values = rotation(size);
    return await bench.bundle([
      { name: 'eigenvectors', shape: [size, size], symmetric: false, values },
    ]);
  };
  return await Promise.all(
    bench.parameters.flatMap(({ name, part, layer }) => {
      if (layer === undefined) return [];
      const group = async () => ({
        output: await basis(layer.outDim),
        input: part === 'weight' && !isEmbedding(layer) ? await basis(layer.inDim) : '',
      });
      const groups = Promise.all(Array.from({ length: layer.groups }, group));
      return [groups.then((all) => create(ParameterBasisSchema, { parameter: name, groups: all }))];
    }),
  );
}

/** The product of two reflections, its columns as rows: what an eigendecomposition stores. */
export function rotation(size: number): Float64Array {
  const reflection = (vector: (i: number) => number) => {
    const v = Array.from({ length: size }, (_, i) => vector(i));
    const norm = v.reduce((sum, x) => sum + x * x, 0);
    return (i: number, j: number) =>
      (i === j ? 1 : 0) - (2 * (v[i] as number) * (v[j] as number)) / norm;
  };
  const [a, b] = [reflection((i) => Math.sin(1 + i)), reflection((i) => Math.cos(2 * i))];
  const rows = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++)
      for (let k = 0; k < size; k++)
        rows[j * size + i] = (rows[j * size + i] ?? 0) + a(i, k) * b(k, j);
  return rows;
}
