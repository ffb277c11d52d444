// Options that say which PAC-Bayes bound is meant: probabilities of failure and grid of prior variances.
import { type Command, Option } from 'commander';
import { positiveNumber, probability } from './option-values.js';

/** Adds --delta, --delta-prime, --b and --c with the values of arXiv 2010.04261. */
export function addBoundSetting(command: Command): Command {
  return command
    .option('--delta <p>', 'probability that the PAC-Bayes bound fails', probability, 0.025)
    .option(
      '--delta-prime <p>',
      "probability that the Monte-Carlo bound on the posterior's training error fails",
      probability,
      0.01,
    )
    .addOption(
      new Option('--b <x>', 'prior variances are c exp(-j/b), j = 1, 2, ...')
        .argParser(positiveNumber)
        .default(100),
    )
    .addOption(
      new Option('--c <x>', 'upper end of the prior variances')
        .argParser(positiveNumber)
        .default(0.1),
    );
}
