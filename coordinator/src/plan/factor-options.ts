// Turns the options of an analysis into what the factor programs are built for.
import {
  type ColumnKind,
  checkColumns,
  type FactorOptions,
  type Logits,
  type LossName,
} from '../programs/index.js';
import type { AnalysisOptions } from './options.js';
import { UsageError } from './usage-error.js';

/** E[A] of more outputs is not summed. */
const LARGEST_LOSS_HESSIAN = 4096;

function columnKind({ curvature, outputHessian, mcSamples }: AnalysisOptions): ColumnKind {
  if (curvature === 'fisher-empirical') {
    if (outputHessian !== 'exact')
      throw new UsageError(
        `--output-hessian ${outputHessian} is drawn at random, --curvature fisher-empirical takes the true labels; give one of the two`,
      );
    return { kind: 'empirical' };
  }
  return outputHessian === 'exact'
    ? { kind: 'exact' }
    : { kind: outputHessian, samples: mcSamples };
}

/**
 * @param labels whether the data have labels
 * @throws UsageError for options that exclude each other, or need labels that are not there
 * @throws BadInputError for more columns than can be pulled back
 */
export function factorOptions(
  options: AnalysisOptions,
  loss: LossName,
  logits: Logits,
  labels: boolean,
): FactorOptions {
  const columns = columnKind(options);
  if (columns.kind === 'empirical' && !labels)
    throw new UsageError(
      "--curvature fisher-empirical needs labels; add them to the data as 'y' or give --labels",
    );
  if (options.curvature === 'hessian' && !options.measures.includes('curvature'))
    throw new UsageError(
      '--curvature hessian is about the exact blocks; add curvature to --measure',
    );
  const exact = options.measures.includes('curvature') ? { denseLimit: options.dense } : undefined;
  // Of one row of logits a sample; what it is for has no form for tokens.
  const few = logits.tokens === undefined && logits.outputs <= LARGEST_LOSS_HESSIAN;
  const lossHessian = few && options.measures.includes('structure');
  const sharing = options.sharing === 'reduce' ? 'reduce' : 'expand';
  const optimal = options.sharing === 'kfoc';
  const tokens = logits.tokens === undefined ? undefined : tokenLoss(options, logits.tokens);
  const bias = options.bias;
  const all = {
    loss,
    columns,
    sharing,
    optimal,
    bias,
    labels,
    tokens,
    lossHessian,
    exact,
  } as const;
  checkColumns(all, logits);
  return all;
}

function tokenLoss({ tokenLoss: reduction, ignoreIndex }: AnalysisOptions, count: number) {
  return { count, reduction, ignoreIndex };
}
