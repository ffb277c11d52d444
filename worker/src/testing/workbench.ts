// A place to execute tasks in tests: a store in a temporary folder, data files, the fixture programs.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  create,
  type DataArray,
  DescribeDataTaskSchema,
  decodeBundle,
  ElementType,
  encodeProgram,
  FolderStore,
  InputRole,
  type Program,
  ProgramSchema,
  type ProgramTask,
  ProgramTaskSchema,
  Reduction,
  type Task,
  type TaskResult,
  TaskSchema,
} from '@kronlens/proto';
import { createExecutor, type Executor, type ExecutorOptions } from '../execute.js';
import { writeNpy } from './npy.js';

const FIXTURES = new URL('../../fixtures/', import.meta.url);

/** The path of a fixture: 'data/arrays.npz'. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(name, FIXTURES));
}

/** A task of one kind. */
export function taskOf(kind: Task['kind']): Task {
  return create(TaskSchema, { codeVersion: 'test', kind });
}

/** `sums` is `plain` without its per-sample output. */
export type FixtureProgram = 'plain' | 'weighted' | 'sums';

/**
 * The manifest of a model that scripts/make-program-fixtures.py made.
 * @param model the content id of its bytes
 */
export function fixtureProgram(name: FixtureProgram, model: string, batch: number): Program {
  const b = BigInt(batch);
  const { FLOAT32, INT64 } = ElementType;
  const weight = { name: 'weight', role: InputRole.SAMPLE_WEIGHT, type: FLOAT32, shape: [b] };
  const sum = { reduction: Reduction.SUM };
  const rows = { name: 'rows', reduction: Reduction.PER_SAMPLE, shape: [b, 3n], kind: 'rows' };
  return create(ProgramSchema, {
    name: `${name} of ${batch}`,
    model,
    batch,
    inputs: [
      { name: 'x', role: InputRole.DATA, type: FLOAT32, shape: [b, 3n], array: 'x' },
      { name: 'y', role: InputRole.LABEL, type: INT64, shape: [b], array: 'y', classes: 3n },
      { name: 'u', role: InputRole.UNIFORM, type: FLOAT32, shape: [2n, b] },
      ...(name === 'weighted' ? [weight] : []),
    ],
    outputs: [
      { name: 'gram', ...sum, shape: [3n, 3n], symmetric: true, layer: 'fc1', kind: 'input' },
      { name: 'logs', ...sum, shape: [1n], layer: 'conv1', kind: 'output' },
      { name: 'labels', ...sum, shape: [3n], kind: 'labels' },
      { name: 'noise', ...sum, shape: [2n], kind: 'noise' },
      ...(name === 'sums' ? [] : [rows]),
    ],
  });
}

export interface TestData {
  readonly samples: number;
  /** [samples, 3]. */
  readonly x: Float32Array;
  /** [samples]. */
  readonly y: BigInt64Array;
}

/** Positive data without a pattern, and labels 0 to 2. */
export function testData(samples: number): TestData {
  const x = Float32Array.from({ length: samples * 3 }, (_, i) => 1.5 + Math.sin(i * i + 1));
  const y = BigInt64Array.from({ length: samples }, (_, i) => BigInt((i * i) % 3));
  return { samples, x, y };
}

/** An executor with its store and files, and what tests need to use it. */
export class Workbench {
  readonly folder: string;
  readonly store: FolderStore;
  readonly executor: Executor;

  private constructor(folder: string, store: FolderStore, executor: Executor) {
    this.folder = folder;
    this.store = store;
    this.executor = executor;
  }

  /** Opens a bench, lets it be used, and clears it away. */
  static async use(
    options: Partial<ExecutorOptions>,
    use: (bench: Workbench) => Promise<void>,
  ): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'kronlens-test-'));
    const store = new FolderStore(join(folder, 'store'));
    const executor = await createExecutor({
      store,
      parallelism: 1,
      device: 'cpu',
      linalg: 'portable',
      ...options,
    });
    try {
      await use(new Workbench(folder, store, executor));
    } finally {
      await executor.close();
      await rm(folder, { recursive: true });
    }
  }

  /** Stores a fixture program for a batch; its content id. */
  async program(name: FixtureProgram, batch: number): Promise<string> {
    const file = fixture(`programs/${name === 'weighted' ? 'weighted' : 'plain'}.onnx`);
    const model = await this.store.put(await readFile(file));
    return await this.store.put(encodeProgram(fixtureProgram(name, model, batch)));
  }

  /** Writes the data to x.npy and y.npy and describes them. */
  async data({ samples, x, y }: TestData): Promise<DataArray[]> {
    await writeNpy(join(this.folder, 'x.npy'), x, [samples, 3]);
    await writeNpy(join(this.folder, 'y.npy'), y, [samples]);
    return await this.describe('x.npy', 'y.npy');
  }

  /** Describes files of the bench's folder. */
  async describe(...names: string[]): Promise<DataArray[]> {
    const paths = names.map((name) => join(this.folder, name));
    const task = create(DescribeDataTaskSchema, { paths });
    const { arrays } = await this.executor.execute(taskOf({ case: 'describeData', value: task }));
    return arrays;
  }

  /** A program task over all batches of four samples, unless told otherwise. */
  async task(
    arrays: DataArray[],
    how: MessageInitShape<typeof ProgramTaskSchema> = {},
  ): Promise<ProgramTask> {
    const samples = Number(arrays[0]?.shape[0]);
    const tail = samples % 4;
    return create(ProgramTaskSchema, {
      program: await this.program('plain', 4),
      tailProgram: tail === 0 ? '' : await this.program('plain', tail),
      arrays,
      samples: BigInt(samples),
      batchCount: BigInt(Math.ceil(samples / 4)),
      seed: 7n,
      ...how,
    });
  }

  async run(task: ProgramTask, signal?: AbortSignal): Promise<TaskResult> {
    return await this.executor.execute(taskOf({ case: 'program', value: task }), { signal });
  }

  /** The bytes of a result's only artifact. */
  async bytes(result: TaskResult): Promise<Uint8Array> {
    return await this.store.get(result.artifacts[0]?.id ?? '');
  }

  /** The values of a program task's outputs, by name. */
  async sums(task: ProgramTask): Promise<Record<string, number[]>> {
    const bundle = decodeBundle(await this.bytes(await this.run(task)));
    return Object.fromEntries([...bundle].map(([name, { values }]) => [name, [...values]]));
  }
}
