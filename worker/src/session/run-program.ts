// Runs a program task in a pool thread: batch after batch through ONNX Runtime, sums out.
import { ElementType, encodeBundle, KronlensError, Reduction } from '@kronlens/proto';
import type ort from 'onnxruntime-node';
import { allocate } from '../data/convert.js';
import type { JobContext } from '../pool/serve-jobs.js';
import { BatchInputs } from './batch-inputs.js';
import { BatchOutputs } from './batch-outputs.js';
import type { ProgramJob, ProgramRun } from './program-job.js';
import { loadSession, runSession, type Session } from './runtime-session.js';
import type { SessionCache } from './session-cache.js';
import { elementTypeOf, runtimeTensor } from './tensor-types.js';

/** Memory for the outputs that are added up, used batch after batch; null asks for fresh memory. */
function outputMemory(session: Session, run: ProgramRun): Record<string, ort.Tensor | null> {
  const types = new Map(
    session.outputMetadata.map((value) => [
      value.name,
      value.isTensor ? elementTypeOf(value.type) : ElementType.ELEMENT_TYPE_UNSPECIFIED,
    ]),
  );
  const memory: Record<string, ort.Tensor | null> = {};
  for (const output of run.program.outputs) {
    const type = types.get(output.name);
    if (type !== ElementType.FLOAT32 && type !== ElementType.FLOAT64) {
      throw new KronlensError(
        'bad-program',
        `program '${run.program.name}' has no output '${output.name}' of type float32 or float64`,
      );
    }
    const shape = output.shape.map(Number);
    const length = shape.reduce((product, size) => product * size, 1);
    memory[output.name] =
      output.reduction === Reduction.SUM
        ? runtimeTensor(type, allocate(type, length), shape)
        : null;
  }
  return memory;
}

/** Runs one program over its batches. */
async function runBatches(
  job: ProgramJob,
  run: ProgramRun,
  outputs: BatchOutputs,
  sessions: SessionCache,
  context: JobContext,
  onSamples: (samples: number) => void,
): Promise<void> {
  const { program } = run;
  const subject = `program '${program.name}'`;
  const session = await sessions.get(program.model, async () => {
    const model = await context.artifact(program.model);
    return await context.native(() => loadSession(model, subject, true));
  });
  const inputs = new BatchInputs(job, run);
  const into = outputMemory(session, run);
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
      const results = await context.native(() => runSession(session, feeds, into, subject));
      outputs.take(results, first, count);
      onSamples(count);
    }
  } finally {
    // The files may be closed as soon as this task is over.
    await next.catch(() => {});
  }
}

/**
 * The bundle of a task's outputs.
 * @throws NonFiniteOutputError, DataError, BadInputError (labels), RuntimeFailure, CancelledError
 */
export async function runProgram(
  job: ProgramJob,
  sessions: SessionCache,
  context: JobContext,
): Promise<Uint8Array<ArrayBuffer>> {
  const [main] = job.runs;
  if (main === undefined) throw new KronlensError('bad-task', `${job.what} has no batches`);
  const outputs = new BatchOutputs(main.program.outputs, job.firstBatch);
  let done = 0;
  for (const run of job.runs) {
    await runBatches(job, run, outputs, sessions, context, (samples) => {
      done += samples;
      context.progress(done);
    });
  }
  const bytes = encodeBundle(outputs.finish());
  // Memory of its own, so that it can be moved.
  return bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer)
    : new Uint8Array(bytes);
}
