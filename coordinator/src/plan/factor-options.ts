// Turns the options of an analysis into what the factor programs are built for.
import type { ColumnKind, FactorOptions, LossName } from '../programs/index.js';
import type { AnalysisOptions } from './options.js';
import { UsageError } from './usage-error.js';

function columnKind({ curvature, outputHessian, mcSamples }: AnalysisOptions): ColumnKind {
  if (curvature === 'fisher-empirical') {
    if (outputHessian === 'mc')
      throw new UsageError(
        '--output-hessian mc draws labels, --curvature fisher-empirical takes the true ones; give one of the two',
      );
    return { kind: 'empirical' };
  }
  return outputHessian === 'mc' ? { kind: 'mc', samples: mcSamples } : { kind: 'exact' };
}

/**
 * @param labels whether the data have labels
 * @throws UsageError for options that exclude each other, or need labels that are not there
 */
export function factorOptions(
  options: AnalysisOptions,
  loss: LossName,
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
  const lossHessian = options.measures.includes('structure');
  const sharing = options.sharing === 'reduce' ? 'reduce' : 'expand';
  const optimal = options.sharing === 'kfoc';
  return { loss, columns, sharing, optimal, bias: options.bias, labels, lossHessian, exact };
}
