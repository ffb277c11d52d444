// Runs a program task in a pool thread: batch after batch through ONNX Runtime, sums out.
import { KronlensError } from '@kronlens/proto';
import type { JobContext } from '../pool/serve-jobs.js';
import { BatchInputs } from './batch-inputs.js';
import { BatchOutputs } from './batch-outputs.js';
import { discard } from './discard.js';
import type { ProgramJob, ProgramRun } from './program-job.js';
import { ProgramMemory } from './program-memory.js';
import { loadSession, runSession } from './runtime-session.js';
import type { LoadedProgram, SessionCache } from './session-cache.js';

/** The program's session and memory, from the cache or new. */
async function loadProgram(
  { id, program }: ProgramRun,
  sessions: SessionCache,
  context: JobContext,
): Promise<LoadedProgram> {
  return await sessions.get(id, async () => {
    const model = await context.artifact(program.model);
    const subject = `program '${program.name}'`;
    const session = await context.native(() => loadSession(model, subject, true));
    return { session, memory: new ProgramMemory(session, program) };
  });
}

/** Runs one program over its batches. */
async function runBatches(
  job: ProgramJob,
  run: ProgramRun,
  { session, memory }: LoadedProgram,
  outputs: BatchOutputs,
  context: JobContext,
  onSamples: (samples: number) => void,
): Promise<void> {
  const { program } = run;
  const subject = `program '${program.name}'`;
  const inputs = new BatchInputs(job, run);
  const end = run.firstSample + run.samples;
  const fill = (first: number) => {
    const filled = inputs.fill(first, Math.min(program.batch, end - first));
    // Its failure is met when the batch's turn comes, if it does.
    filled.catch(() => {});
    return filled;
  };
  let next = fill(run.firstSample);
  try {
    for (let first = run.firstSample; first < end; first += program.batch) {
      const count = Math.min(program.batch, end - first);
      const feeds = await next;
      if (first + count < end) next = fill(first + count);
      const results = await context.native(() => runSession(session, feeds, memory.into, subject));
      outputs.take(results, first, count);
      discard(results, memory.into);
      onSamples(count);
    }
  } finally {
    // The files may be closed as soon as this task is over.
    await next.catch(() => {});
  }
}

/**
 * The bundle of a task's outputs, in memory of its own.
 * @throws NonFiniteOutputError, DataError, BadInputError (labels), RuntimeFailure, CancelledError
 */
export async function runProgram(
  job: ProgramJob,
  sessions: SessionCache,
  context: JobContext,
): Promise<Uint8Array<ArrayBuffer>> {
  const [main] = job.runs;
  if (main === undefined) throw new KronlensError('bad-task', `${job.what} has no batches`);
  let loaded = await loadProgram(main, sessions, context);
  const { memory } = loaded;
  const samples = job.runs.reduce((total, run) => total + run.samples, 0);
  const layout = memory.layout(samples);
  const { spareSums } = memory;
  const outputs = new BatchOutputs(main.program.outputs, job.firstBatch, layout, spareSums);
  let done = 0;
  for (const run of job.runs) {
    if (run !== main) loaded = await loadProgram(run, sessions, context);
    await runBatches(job, run, loaded, outputs, context, (count) => {
      done += count;
      context.progress(done);
    });
  }
  return outputs.finish();
}
