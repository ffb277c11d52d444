// Where an optimisation stands within an epoch, as a tensor bundle: the same task goes on from there.
import { decodeBundle, encodeBundle } from '@kronlens/proto';
import { type EpochRecord, historyTensors, readHistory } from './history.js';
import type { ParameterMemory } from './parameter-memory.js';
import { readScalar, readState, type Scalars, single, stateTensors } from './state.js';

/** How far a task is, beside the state. */
export interface EpochPlace {
  /** The task's epochs that are done. */
  readonly epochs: readonly EpochRecord[];
  /** Steps that are done of the epoch after them. */
  readonly steps: number;
  /** Sums over these steps' samples. */
  readonly loss: number;
  readonly errors: number;
}

/** Where a task begins. */
export const TASK_START: EpochPlace = { epochs: [], steps: 0, loss: 0, errors: 0 };

const HISTORY = 'history/';

/**
 * Between two steps: the tensors of a state, those of the history after `history/`, and `epoch_steps`,
 * `epoch_loss` and `epoch_errors`, [1] each. Noise and order follow from seed, epoch and step.
 */
export function encodeCheckpoint(
  memory: ParameterMemory,
  scalars: Scalars,
  { epochs, steps, loss, errors }: EpochPlace,
): Uint8Array<ArrayBuffer> {
  const history = epochs.length === 0 ? [] : historyTensors(epochs, memory.dimension);
  return encodeBundle([
    ...stateTensors(memory, scalars),
    ...history.map((tensor) => ({ ...tensor, name: `${HISTORY}${tensor.name}` })),
    single('epoch_steps', steps),
    single('epoch_loss', loss),
    single('epoch_errors', errors),
  ]);
}

/** Fills the memory. @throws KronlensError when the bundle is no checkpoint of these parameters */
export function decodeCheckpoint(
  bytes: Uint8Array,
  memory: ParameterMemory,
): { readonly scalars: Scalars; readonly place: EpochPlace } {
  const bundle = decodeBundle(bytes);
  const place = {
    epochs: readHistory(bundle, HISTORY),
    steps: readScalar(bundle, 'epoch_steps'),
    loss: readScalar(bundle, 'epoch_loss'),
    errors: readScalar(bundle, 'epoch_errors'),
  };
  return { scalars: readState(bundle, memory), place };
}
