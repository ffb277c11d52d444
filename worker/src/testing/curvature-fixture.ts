// The small layer of scripts/make-curvature-fixtures.py: its programs, tasks, and what numpy says of it.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type BundleTensor,
  type CurvatureTask,
  CurvatureTaskSchema,
  create,
  type DataArray,
  DescribeDataTaskSchema,
  decodeBundle,
  ElementType,
  encodeBundle,
  encodeProgram,
  InputRole,
  KroneckerBlockSchema,
  OperatorSchema,
  type ProgramInput,
  ProgramSchema,
  packSymmetric,
  Reduction,
  type Task,
} from '@kronlens/proto';
import { fixture, taskOf, type Workbench } from './workbench.js';

/** Of the mean over all samples, in float64. */
export interface CurvatureOracle {
  /** [120], descending. */
  readonly eigenvalues: readonly number[];
  /** The first ones. */
  readonly eigenvectors: readonly (readonly number[])[];
  readonly output: readonly (readonly number[])[];
  readonly input: readonly (readonly number[])[];
  readonly trace: number;
  /** Squared. */
  readonly frobenius: number;
  readonly differenceNorm: number;
  /** Squared. */
  readonly differenceFrobenius: number;
}

export const oracle: CurvatureOracle = JSON.parse(
  readFileSync(fixture('curvature/oracle.json'), 'utf8'),
);

export const [IN, OUT, LOGITS, SAMPLES, DIM] = [12, 10, 5, 203, 120] as const;

export type CurvatureFixture = 'capture' | 'weighted' | 'product' | 'direct';

const { FLOAT32 } = ElementType;

function inputsOf(name: CurvatureFixture, batch: number, vectors: number) {
  const b = BigInt(batch);
  const captured = { role: InputRole.CAPTURED, type: FLOAT32 };
  const x = { name: 'x', role: InputRole.DATA, type: FLOAT32, shape: [b, BigInt(IN)], array: 'x' };
  const weight = { name: 'weight', role: InputRole.SAMPLE_WEIGHT, type: FLOAT32, shape: [b] };
  const probe = { name: 'probe', role: InputRole.PROBE, type: FLOAT32, shape: block(vectors) };
  const rows = [
    { name: 'kl/x', ...captured, shape: [b, 1n, 1n, BigInt(IN)] },
    { name: 'kl/g', ...captured, shape: [b, BigInt(LOGITS), BigInt(OUT)] },
  ];
  const all: Record<CurvatureFixture, MessageInitShape<typeof ProgramSchema>['inputs']> = {
    capture: [x],
    weighted: [x, weight],
    product: [...rows, probe],
    direct: [x, probe],
  };
  return all[name];
}

const block = (vectors: number) => [BigInt(vectors), 1n, BigInt(OUT), BigInt(IN)];

function outputsOf(name: CurvatureFixture, batch: number, vectors: number) {
  if (name === 'product' || name === 'direct') {
    const facts = { layer: 'fc1', kind: 'product', reduction: Reduction.SUM };
    return [{ name: 'product', ...facts, shape: block(vectors) }];
  }
  const b = BigInt(batch);
  const facts = { layer: 'fc1', reduction: Reduction.PER_SAMPLE };
  return [
    { name: 'kl/x', ...facts, kind: 'rows', shape: [b, 1n, 1n, BigInt(IN)] },
    { name: 'kl/g', ...facts, kind: 'cotangents', shape: [b, BigInt(LOGITS), BigInt(OUT)] },
  ];
}

/** Stores a program for a batch; its content id. */
export async function storeCurvatureProgram(
  bench: Workbench,
  name: CurvatureFixture,
  batch: number,
  vectors: number,
  change: (inputs: ProgramInput[]) => void = () => {},
): Promise<string> {
  const model = await bench.store.put(await readFile(fixture(`curvature/${name}.onnx`)));
  const program = create(ProgramSchema, {
    name: `${name} of ${batch}`,
    model,
    batch,
    inputs: inputsOf(name, batch, vectors) ?? [],
    outputs: outputsOf(name, batch, vectors),
  });
  change(program.inputs);
  return await bench.store.put(encodeProgram(program));
}

export interface TaskShape {
  readonly batch?: number;
  /** Vectors in one execution of the product. */
  readonly vectors?: number;
  /** `captured`: two programs, and two more for the last batch; `padded`: weights mask its padding; `direct`: one. */
  readonly how?: 'captured' | 'padded' | 'direct';
  readonly data?: 'x' | 'bad';
}

/** A task on all samples, with a Kronecker side. */
export async function curvatureTask(
  bench: Workbench,
  { batch = 16, vectors = 4, how = 'captured', data = 'x' }: TaskShape = {},
  asked: MessageInitShape<typeof CurvatureTaskSchema> = {},
): Promise<CurvatureTask> {
  const store = (name: CurvatureFixture, size: number) =>
    storeCurvatureProgram(bench, name, size, vectors);
  const tail = SAMPLES % batch;
  const programs = {
    captured: async () => ({
      capture: await store('capture', batch),
      tailCapture: await store('capture', tail),
      product: await store('product', batch),
      tailProduct: await store('product', tail),
    }),
    padded: async () => ({
      capture: await store('weighted', batch),
      product: await store('product', batch),
    }),
    direct: async () => ({
      product: await store('direct', batch),
      tailProduct: await store('direct', tail),
    }),
  };
  const operator = create(OperatorSchema, {
    ...(await programs[how]()),
    arrays: await describe(bench, fixture(`curvature/${data}.npy`)),
    samples: BigInt(SAMPLES),
    seed: 3n,
  });
  return create(CurvatureTaskSchema, {
    layer: 'fc1',
    operator,
    top: 6,
    tolerance: 1e-6,
    mostProducts: 2000n,
    memoryBytes: 10n ** 9n,
    ...asked,
  });
}

async function describe(bench: Workbench, path: string): Promise<DataArray[]> {
  const task = create(DescribeDataTaskSchema, { paths: [path] });
  const { arrays } = await bench.executor.execute(taskOf({ case: 'describeData', value: task }));
  for (const array of arrays) array.name = 'x';
  return arrays;
}

/** The Kronecker side of the layer, packed. */
export async function storeKronecker(bench: Workbench) {
  const packed = (name: string, rows: readonly (readonly number[])[]): BundleTensor => ({
    name,
    shape: [rows.length, rows.length],
    symmetric: true,
    values: packSymmetric(rows.flat(), rows.length),
  });
  const tensors = [packed('in', oracle.input), packed('out', oracle.output)];
  const bundle = await bench.store.put(encodeBundle(tensors));
  return [create(KroneckerBlockSchema, { bundle, input: 'in', output: 'out' })];
}

export function asTask(value: CurvatureTask): Task {
  return taskOf({ case: 'curvature', value });
}

/** Executes the task; its tensors by name. */
export async function curvatureOf(
  bench: Workbench,
  task: CurvatureTask,
): Promise<ReadonlyMap<string, Float64Array>> {
  const result = await bench.executor.execute(asTask(task));
  const bundle = decodeBundle(await bench.bytes(result));
  return new Map([...bundle].map(([name, { values }]) => [name, values]));
}
