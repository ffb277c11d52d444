// Counts the 0-1 errors of draws from a posterior on a data set, in a pool thread.
import { type BundleTensor, decodeBundle, encodeBundle, KronlensError } from '@kronlens/proto';
import type { JobContext } from '../pool/serve-jobs.js';
import type { TaskArtifact } from '../tasks/task-artifact.js';
import { ParameterMemory } from './parameter-memory.js';
import type { PosteriorDrawsJob } from './posterior-job.js';
import { BasisTensors, ProgramSession, programParameters } from './program-session.js';
import { chosenSamples } from './sample-order.js';
import { SampleRows } from './sample-rows.js';
import { readInto } from './state.js';
import { batchesOf, dataInputs, openSides, releaseSides, sideFor } from './step-feeds.js';
import { noiseCounter, STREAMS, seedWords } from './streams.js';

/**
 * `errors` and `loss` [draws], sums over the samples that each draw is evaluated on. A draw's numbers depend on the seed
 * and its index alone, not on how draws are cut into jobs.
 * @throws DataError, BadInputError, RuntimeFailure, CancelledError
 */
export async function evaluateDraws(
  job: PosteriorDrawsJob,
  context: JobContext,
): Promise<readonly TaskArtifact[]> {
  const { evaluation, samples } = job;
  const rotated = new Set(
    (job.draw === undefined ? [] : programParameters(job.draw))
      .filter((facts) => facts.rotated)
      .map(({ name }) => name),
  );
  const facts = programParameters(evaluation.full);
  const memory = new ParameterMemory(
    facts.map((each) => ({ ...each, rotated: rotated.has(each.name) })),
  );
  const state = decodeBundle(await context.artifact(job.state));
  readInto(state, 'mean/', memory, 'mean');
  if (!job.mean) readInto(state, 'log_std/', memory, 'logStd');
  const programs = [evaluation.full, ...(evaluation.tail === undefined ? [] : [evaluation.tail])];
  const rows = await SampleRows.open(dataInputs(programs), job.arrays, samples, job.memoryBytes);
  const bases = new BasisTensors(job.bases, context);
  const draw =
    job.draw &&
    (await ProgramSession.open(
      job.draw,
      memory,
      bases,
      (parameter, role) => parameter.input(role),
      (parameter) => parameter.tensor('drawn'),
      context,
    ));
  const evaluated = job.mean ? 'mean' : 'drawn';
  const sides = await openSides(evaluation, rows, (program) =>
    ProgramSession.open(
      program,
      memory,
      bases,
      (parameter) => parameter.tensor(evaluated),
      () => {
        throw new KronlensError('bad-program', 'an evaluation gives nothing of a parameter');
      },
      context,
    ),
  );
  try {
    const all = Uint32Array.from({ length: samples }, (_, sample) => sample);
    const errors = new Float64Array(job.drawCount);
    const losses = new Float64Array(job.drawCount);
    for (let index = 0; index < job.drawCount; index++) {
      if (!job.mean) {
        addNoise(memory, job, job.firstDraw + index);
        await draw?.run({}, context);
      }
      const order = samplesOf(job, job.firstDraw + index) ?? all;
      for (const batch of batchesOf(order, sides.full.feeds.batch)) {
        const { session, feeds } = sideFor(sides, batch.length);
        await session.run(await feeds.of(batch), context);
        errors[index] = (errors[index] ?? 0) + (session.output('errors')[0] ?? NaN);
        losses[index] = (losses[index] ?? 0) + (session.output('loss')[0] ?? NaN);
      }
      if (!Number.isFinite(losses[index])) throw new NonFiniteDrawError(job, index);
      context.progress(index + 1);
    }
    const list = (name: string, values: Float64Array): BundleTensor => ({
      name,
      shape: [values.length],
      symmetric: false,
      values,
    });
    const bytes = encodeBundle([list('errors', errors), list('loss', losses)]);
    return [{ name: 'draws', bytes }];
  } finally {
    await releaseSides(sides);
    await draw?.release();
  }
}

/** What a draw is evaluated on, where that is not all. */
function samplesOf({ seed, samples, drawSamples }: PosteriorDrawsJob, draw: number) {
  return drawSamples === undefined ? undefined : chosenSamples(seed, draw, drawSamples, samples);
}

function addNoise(memory: ParameterMemory, { seed }: PosteriorDrawsJob, draw: number): void {
  const key = seedWords(seed);
  for (const [index, parameter] of memory.parameters.entries())
    memory.addNoise(parameter, noiseCounter(STREAMS.draw, draw, index), key);
}

/** The logits overflow on a draw, or on the mean. */
class NonFiniteDrawError extends KronlensError {
  constructor({ mean, firstDraw, samples }: PosteriorDrawsJob, index: number) {
    const which = mean ? 'the mean' : `draw ${firstDraw + index}`;
    super(
      'non-finite-output',
      `the loss of ${which} of the posterior is NaN or infinite on samples 0 to ${samples - 1}: its standard deviations are too large for the model`,
      { badInput: true, details: { draw: mean ? 'mean' : String(firstDraw + index) } },
    );
  }
}
