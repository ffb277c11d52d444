// Chooses how many samples one execution of a program takes.
import { BadInputError } from '@kronlens/proto';
import { batchWithin } from './memory.js';
import type { OpenedModel } from './open-model.js';

/** Samples in one execution unless the user or the memory limit says otherwise. */
const MOST_SAMPLES = 256;
/** A batch size to learn sizes from. */
export const PROBE = 2;

export interface DataRun {
  readonly samples: number;
  /** Samples in one execution; undefined: chosen. */
  readonly batch: number | undefined;
  readonly memoryBytes: number;
}

/**
 * Depends on model, options and memory limit alone, never on shards or workers.
 * @param perSample bytes of one execution per sample, learnt at a small batch size
 * @param most samples unless the user or the memory limit says otherwise
 * @throws BadInputError when the batch that was asked for contradicts the model's
 */
export async function chooseBatch(
  model: OpenedModel,
  run: DataRun,
  perSample: (probe: number) => number | Promise<number>,
  most = MOST_SAMPLES,
): Promise<number> {
  if (model.fixedBatch !== undefined) {
    if (run.batch !== undefined && run.batch !== model.fixedBatch)
      throw new BadInputError(
        'bad-option',
        `--batch ${run.batch}: the model runs at batch ${model.fixedBatch} only; leave the option out, or export the model with a dynamic batch`,
      );
    return model.fixedBatch;
  }
  if (run.batch !== undefined) return Math.min(run.batch, run.samples);
  const bytes = await perSample(PROBE);
  return Math.min(batchWithin(run.memoryBytes, bytes, most), run.samples);
}
