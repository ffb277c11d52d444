// kronlens bound evaluate: the PAC-Bayes bound from its closed form, without model or data.
import { Command } from 'commander';
import {
  type BoundSetting,
  confidence,
  type EvaluatedBound,
  evaluateBound,
} from '../bound/index.js';
import { formatCount, formatNumber } from '../report/number-format.js';
import { addBoundSetting } from './bound-setting.js';
import { atLeastZero, finiteNumber, sampleSize, share } from './option-values.js';
import type { Terminal } from './terminal.js';

interface Parsed extends BoundSetting {
  readonly kl: number;
  readonly snn: number;
  readonly halfLogLambda: number;
  readonly n: number;
  readonly json?: true;
}

const EXAMPLES = `
bound = kl^-1(snn | BRE), BRE = (KL + 2 log j + log(pi^2 N / (6 delta))) / (N - 1), lambda = c exp(-j/b).

Example:
  kronlens bound evaluate --kl 3766.1 --snn 0.02347 --half-log-lambda -1.2913 --n 60000`;

function render(evaluated: EvaluatedBound, setting: BoundSetting): readonly string[] {
  const { bound, kl, rate, j, snnError, samples, note } = evaluated;
  return [
    ...(note === undefined ? [] : [`note: ${note}`]),
    `KL ${formatNumber(kl)}, BRE ${formatNumber(rate)}, j = ${formatCount(j)}, N = ${formatCount(samples)}`,
    `bound ${bound.toFixed(4)} from the training error's ${snnError.toFixed(4)}, ` +
      `with confidence ${formatNumber(confidence(setting))}`,
  ];
}

export function boundEvaluateCommand(terminal: Terminal): Command {
  const command = new Command('evaluate')
    .description('the bound from KL, bound on the training error, prior variance and sample size')
    .requiredOption('--kl <x>', 'KL(Q || P) at the prior variance, in nats', atLeastZero)
    .requiredOption('--snn <e>', 'bound on the training error of the posterior', share)
    .requiredOption('--half-log-lambda <x>', '1/2 log of the prior variance', finiteNumber)
    .requiredOption('--n <N>', 'size of the training set', sampleSize);
  return addBoundSetting(command)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action((parsed: Parsed) => {
      const { kl, snn, halfLogLambda, n, delta, deltaPrime, b, c, json } = parsed;
      const setting = { delta, deltaPrime, b, c };
      const evaluated = evaluateBound({ kl, snnError: snn, halfLogLambda, samples: n }, setting);
      if (json) terminal.out(JSON.stringify({ ...evaluated, ...setting }, null, 2));
      else for (const line of render(evaluated, setting)) terminal.out(line);
    });
}
