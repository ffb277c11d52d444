// Refuses exact columns where there are too many to be pulled back through a model.
import { BadInputError } from '@kronlens/proto';
import { columnCount, type FactorOptions } from './factor-options.js';
import type { Logits } from './logits.js';

/** Every column is a backward pass of a sample, and costs the memory of one. */
const MOST_COLUMNS = 4096;

/** @throws BadInputError that says how many there are, of what, and what to do */
export function checkColumns(options: FactorOptions, { outputs, tokens }: Logits): void {
  const { kind } = options.columns;
  if (kind === 'mc' || kind === 'sketch') return;
  const columns = columnCount(options, outputs);
  if (columns <= MOST_COLUMNS) return;
  const count = (value: number) => value.toLocaleString('en');
  const each = tokens === undefined ? `${count(outputs)} outputs` : `${count(outputs)} classes`;
  const of = tokens === undefined ? each : `${count(tokens)} tokens with ${each}`;
  const option = kind === 'exact' ? '--output-hessian exact' : '--curvature fisher-empirical';
  throw new BadInputError(
    'too-many-columns',
    `${option} would take ${count(columns)} backward passes a sample (${of}; at most ${count(MOST_COLUMNS)}); use --output-hessian sketch or mc, with --mc-samples for more accuracy`,
  );
}
