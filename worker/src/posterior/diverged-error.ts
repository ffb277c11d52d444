// The error for an optimisation that runs into NaN or infinity: which step, and which parameter.
import { KronlensError } from '@kronlens/proto';
import type { ParameterArrays } from './parameter-memory.js';

/** The largest magnitude; infinity where a value is not finite. */
function largest(values: Float32Array): number {
  let most = 0;
  for (const value of values) {
    const size = Math.abs(value);
    if (!(size <= Number.MAX_VALUE)) return Infinity;
    if (size > most) most = size;
  }
  return most;
}

/** Where mean or noise are largest: the first parameter with a value that is not finite, if there is one. */
function widest(parameters: readonly ParameterArrays[]): { name: string; size: number } {
  let found = { name: '', size: -1 };
  for (const parameter of parameters) {
    const size = Math.max(largest(parameter.values('mean')), largest(parameter.values('noise')));
    if (size > found.size) found = { name: parameter.facts.name, size };
  }
  return found;
}

/** Loss or KL are no numbers any more. What earlier tasks stored stays, so a run can go on from there. */
export class DivergedError extends KronlensError {
  /**
   * @param what is not finite: "loss", "penalty"
   * @param step counted from 0 over all epochs
   */
  constructor(what: string, step: number, epoch: number, parameters: readonly ParameterArrays[]) {
    const { name, size } = widest(parameters);
    const values = Number.isFinite(size)
      ? `the largest value, ${size.toPrecision(3)}, is in '${name}'`
      : `'${name}' is not finite`;
    super(
      'posterior-diverged',
      `the ${what} is NaN or infinite at step ${step} (epoch ${epoch}): ${values}; try a smaller --learning-rate`,
      { badInput: true, details: { step: String(step), epoch: String(epoch), parameter: name } },
    );
  }
}
