// The error for NaN or infinity that a model produces: which layer, which quantity, which samples.
import { KronlensError, type ProgramOutput } from '@kronlens/proto';
import { checkRow } from '../sum/addends.js';

/** What the kinds of outputs are called. */
const NAMES: Readonly<Record<string, string>> = {
  input: 'input autocorrelation',
  output: 'output Hessian',
  mean: 'mean input',
  mean_map: 'mean input map',
  loss: 'loss',
  correct: 'count of correct predictions',
};

/** The first value that is not finite. */
export function findNonFinite(values: Float32Array | Float64Array): number | undefined {
  if (checkRow(values, 0, values.length) === 0) return undefined;
  return values.find((value: number) => !Number.isFinite(value));
}

/** A program's output has a value that is not finite: the user's model or data are at fault. */
export class NonFiniteOutputError extends KronlensError {
  /**
   * @param value the first such value
   * @param first the batch's first sample
   * @param count the batch's samples
   */
  constructor(output: ProgramOutput, value: number, first: number, count: number) {
    const what = NAMES[output.kind] ?? (output.kind === '' ? `'${output.name}'` : output.kind);
    const where = output.layer === '' ? 'the model' : `layer '${output.layer}'`;
    const samples = count === 1 ? `sample ${first}` : `samples ${first} to ${first + count - 1}`;
    super(
      'non-finite-output',
      `${Number.isNaN(value) ? 'NaN' : 'infinity'} in the ${what} of ${where} for ${samples}: the model overflows or divides by zero on them; check its weights and the data's --scale`,
      {
        badInput: true,
        details: {
          layer: output.layer,
          kind: output.kind,
          first: String(first),
          last: String(first + count - 1),
        },
      },
    );
  }
}
