// Prepares a program task on the main thread: manifests, arrays and their fit; a pool thread runs it.
import {
  type ArtifactStore,
  BadInputError,
  type DataArray,
  decodeProgram,
  InputRole,
  KronlensError,
  type Program,
  type ProgramInput,
  type ProgramTask,
} from '@kronlens/proto';
import type { ArrayLayout } from '../data/array-layout.js';
import type { DataFiles } from '../data/data-files.js';
import type { JobOptions, ThreadPool } from '../pool/thread-pool.js';
import { unlessAborted } from '../pool/unless-aborted.js';
import type { LaidOutArray, ProgramRun } from '../session/program-job.js';
import type { PoolJobs } from './pool-jobs.js';
import type { TaskArtifact } from './task-artifact.js';

export interface ProgramSetting {
  readonly store: ArtifactStore;
  readonly files: DataFiles;
  readonly pool: ThreadPool<PoolJobs>;
}

export interface ProgramRequest {
  readonly signal: AbortSignal | undefined;
  /** The counts are samples. */
  readonly onProgress: (done: number, total: number) => void;
}

/** The task says something that cannot be: a fault of whoever planned it. */
class BadTaskError extends KronlensError {
  constructor(reason: string) {
    super('bad-task', `this program task cannot be executed: ${reason}`);
  }
}

function readsArray(input: ProgramInput): boolean {
  return input.role === InputRole.DATA || input.role === InputRole.LABEL;
}

/**
 * Cuts the task's samples into runs of the full program and of the one for the last, partial batch.
 * @throws KronlensError where the task contradicts its programs
 */
export async function cutRuns(
  task: ProgramTask,
  store: Pick<ArtifactStore, 'get'>,
): Promise<readonly ProgramRun[]> {
  const full = decodeProgram(await store.get(task.program));
  const batch = full.batch;
  if (batch < 1) throw new BadTaskError(`program '${full.name}' has a batch of ${batch}`);
  const firstSample = Number(task.firstBatch) * batch;
  const end = Math.min(firstSample + Number(task.batchCount) * batch, Number(task.samples));
  if (end <= firstSample) throw new BadTaskError('it covers no samples');
  const odd = (end - firstSample) % batch;
  const whole = { id: task.program, program: full, firstSample, samples: end - firstSample };
  if (odd === 0) return [whole];
  if (task.tailProgram === '') {
    if (!full.inputs.some(({ role }) => role === InputRole.SAMPLE_WEIGHT)) {
      throw new BadTaskError(
        `its last batch has ${odd} samples, and program '${full.name}' takes no weights to mask the rest of ${batch}`,
      );
    }
    return [whole];
  }
  const tail = decodeProgram(await store.get(task.tailProgram));
  if (tail.batch !== odd) {
    throw new BadTaskError(
      `program '${tail.name}' is for batches of ${tail.batch}, the last batch has ${odd} samples`,
    );
  }
  const runs = [
    { ...whole, samples: whole.samples - odd },
    { id: task.tailProgram, program: tail, firstSample: end - odd, samples: odd },
  ];
  return runs.filter(({ samples }) => samples > 0);
}

/** Finds the array of an input and checks that its samples fit. */
function fittingArray(program: Program, input: ProgramInput, task: ProgramTask): DataArray {
  const array = task.arrays.find(({ name }) => name === input.array);
  if (array === undefined) {
    throw new BadTaskError(
      `input '${input.name}' wants an array '${input.array}', which is not there`,
    );
  }
  const [batch = 0, ...takes] = input.shape.map(Number);
  const [samples = 0, ...has] = array.shape.map(Number);
  const valuesOf = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);
  if (batch !== program.batch) {
    throw new BadTaskError(`input '${input.name}' does not have the batch as its first axis`);
  }
  const { path, name } = array;
  if (valuesOf(takes) !== valuesOf(has)) {
    throw new BadInputError(
      'bad-shape',
      `${path}: a sample of '${name}' has shape [${has.join(', ')}], but the model's input '${input.name}' takes [${takes.join(', ')}]`,
      { path, array: name },
    );
  }
  if (samples < Number(task.samples)) {
    throw new BadInputError(
      'too-few-samples',
      `${path}: '${name}' has ${samples} samples, but ${task.samples} are asked for; use --samples ${samples} or fewer`,
      { path, array: name },
    );
  }
  return array;
}

/**
 * The arrays that the programs read.
 * @throws BadInputError when the data do not fit
 */
export function neededArrays(
  runs: readonly Pick<ProgramRun, 'program'>[],
  task: ProgramTask,
): DataArray[] {
  const arrays = new Set<DataArray>();
  for (const { program } of runs) {
    for (const input of program.inputs.filter(readsArray)) {
      arrays.add(fittingArray(program, input, task));
    }
  }
  return [...arrays];
}

/** Arrays with their layouts, as jobs take them. */
export function layOut(
  arrays: readonly DataArray[],
  layouts: readonly ArrayLayout[],
): LaidOutArray[] {
  return arrays.flatMap((array, i) => {
    const layout = layouts[i];
    return layout === undefined ? [] : [{ name: array.name, layout, scale: array.scale ?? 1 }];
  });
}

/**
 * Executes a program task.
 * @returns one artifact `sums`, a bundle with the program's outputs: unscaled float64 sums over the
 *   task's samples, symmetric ones packed, and the concatenated rows of per-sample outputs
 * @throws BadInputError or DataError when the data do not fit or cannot be read,
 *   NonFiniteOutputError, RuntimeFailure, CancelledError, ThreadLostError (retryable)
 */
export async function executeProgram(
  task: ProgramTask,
  setting: ProgramSetting,
  request: ProgramRequest,
): Promise<readonly TaskArtifact[]> {
  const runs = await cutRuns(task, setting.store);
  const arrays = neededArrays(runs, task);
  const name = runs[0]?.program.name ?? '';
  const samples = runs.reduce((total, run) => total + run.samples, 0);
  const first = runs[0]?.firstSample ?? 0;
  const what = `'${name}' over samples ${first} to ${first + samples - 1}`;
  const options: JobOptions = {
    what,
    signal: request.signal,
    affinity: runs[0]?.program.model ?? '',
    onProgress: (done) => request.onProgress(done, samples),
  };
  let found = () => {};
  const filesAreReady = new Promise<void>((resolve) => {
    found = resolve;
  });
  const work = setting.files.borrow(arrays, async (layouts) => {
    found();
    const job = {
      what,
      arrays: layOut(arrays, layouts),
      seed: task.seed,
      firstBatch: Number(task.firstBatch),
      runs,
    };
    return await setting.pool.run('program', job, options);
  });
  // Hashing and inflating large files takes long and is of use to the next task, so it goes on.
  await unlessAborted(Promise.race([filesAreReady, work]), request.signal, what);
  return await work;
}
