// kronlens bound: optimises a Gaussian posterior and shows the PAC-Bayes bound on the true error.
import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import { type BoundOptions, type BoundRequest, VARIANTS } from '../plan/bound/bound-options.js';
import { type BoundOutcome, runBound } from '../plan/bound/run-bound.js';
import { LINALGS } from '../plan/options.js';
import { UsageError } from '../plan/usage-error.js';
import { renderBounds } from '../report/bound-table.js';
import { boundEvaluateCommand } from './bound-evaluate.js';
import { addBoundSetting } from './bound-setting.js';
import { addClusterOptions, CLUSTER_HELP } from './cluster-options.js';
import { writeFolderReport } from './folder-report.js';
import { interruptible } from './interruption.js';
import { type EngineParsed, openEngine } from './open-engine.js';
import {
  choice,
  choiceList,
  finiteNumber,
  memorySize,
  positiveInteger,
  positiveNumber,
  probability,
  scaleFactor,
  share,
  wholeNumber,
} from './option-values.js';
import { ProgressDisplay } from './progress.js';
import type { Terminal } from './terminal.js';

/** The options as commander parses them. */
interface Parsed extends Omit<BoundOptions, 'variants' | 'memoryBytes'>, EngineParsed {
  readonly checkpointSeconds: number;
  readonly init?: string;
  readonly data?: string;
  readonly labels?: string;
  readonly testData?: string;
  readonly testLabels?: string;
  readonly variant: BoundOptions['variants'];
  readonly memory: number;
  readonly resume?: true;
  readonly report?: true;
  readonly json?: true;
}

const DEFAULT_MEMORY = 4 * 2 ** 30;

const EXAMPLES = `
Q is a Gaussian around the trained weights whose covariance is diagonal in a basis; P is one around the
initialisation (--init, an ONNX export of the untrained network). Variants:
  base     the standard basis (Dziugaite and Roy)
  appr     Kronecker eigenbases of [E[M], E[xx^T]], found once at the trained weights
  iter     found anew every --interval epochs at the current mean
  iter-d   the interval grows tenfold whenever the learning rate decays
  iter-m   as iter, with the surrogate of E[M] that the weights behind a layer give
Two classes on one logit: labels 0 and 1. Several logits: class indices.

Examples:
  kronlens bound model.onnx --init model.init.onnx --data train.npz --test-data test.npz --out out/bound
  kronlens bound model.onnx --init model.init.onnx --data train.npz --out out/quick \\
      --variant base,iter --epochs 200 --decay-epochs 40 --mc-samples 5000
  kronlens bound evaluate --kl 3766.1 --snn 0.02347 --half-log-lambda -1.2913 --n 60000

On a cluster (--nats), workers read the data under the same path as this command.
${CLUSTER_HELP}`;

/** Options that are required, but not for the subcommands. */
function required(value: string | undefined, flag: string): string {
  if (value === undefined) throw new UsageError(`required option '${flag}' not specified`);
  return value;
}

function boundRequest(model: string, parsed: Parsed): BoundRequest {
  const { seed, samples, scale, device, linalg, delta, deltaPrime, b, c } = parsed;
  const { epochs, batch, learningRate, alpha, epsilon, decay, decayEpochs } = parsed;
  const { firstRho, firstScale } = parsed;
  const { interval, checkpoint, mcSamples, testDraws, drawSamples } = parsed;
  return {
    options: {
      ...{ seed, samples, scale, device, linalg, delta, deltaPrime, b, c },
      ...{ epochs, batch, learningRate, alpha, epsilon, decay, decayEpochs },
      ...{ firstRho, firstScale },
      ...{ interval, checkpoint, mcSamples, testDraws, drawSamples },
      variants: parsed.variant,
      memoryBytes: parsed.memory,
    },
    execution: {
      model,
      init: parsed.init,
      data: required(parsed.data, '--data <file>'),
      labels: parsed.labels,
      testData: parsed.testData,
      testLabels: parsed.testLabels,
      out: required(parsed.out, '--out <dir>'),
      parallel: parsed.parallel,
      resume: parsed.resume === true,
      checkpointSeconds: parsed.checkpointSeconds,
    },
  };
}

function show(
  terminal: Terminal,
  { record, wasFinished }: BoundOutcome,
  parsed: Parsed,
  report: string | undefined,
): void {
  const { resolved, bounds, trainedTrainError, timings } = record;
  const { samples, parameters, confidence } = resolved;
  const summary = {
    ...{ model: record.model.path, out: parsed.out, samples, parameters, confidence },
    ...{ bounds, trainedTrainError },
    // Warnings were shown as the run went along.
    warnings: parsed.json || wasFinished ? record.warnings : [],
    elapsedMs: timings.totalMs,
  };
  if (parsed.json) terminal.out(JSON.stringify({ ...summary, wasFinished, report }, null, 2));
  else {
    for (const line of renderBounds(summary)) terminal.out(line);
    if (report !== undefined) terminal.out(`report in ${report}`);
  }
}

async function bound(model: string, parsed: Parsed, terminal: Terminal): Promise<void> {
  const request = boundRequest(model, parsed);
  const progress = new ProgressDisplay({ stream: process.stderr });
  const outcome = await interruptible('run again with --resume to finish', async (signal) => {
    const engine = await openEngine(parsed, signal, progress);
    try {
      return await runBound(request, engine, progress);
    } finally {
      await engine.close();
    }
  });
  if (outcome.wasFinished)
    terminal.err(`${parsed.out} holds the finished run; nothing is to be done`);
  const report = parsed.report ? await writeFolderReport(parsed.out) : undefined;
  show(terminal, outcome, parsed, report);
}

function addFiles(command: Command): Command {
  return command
    .option('--init <init.onnx>', 'the untrained network, of the same structure (default: zero)')
    .option('--data <file>', 'training set, and labels where the file has them')
    .option('--labels <file>', 'labels, where they are not in the data file')
    .option('--test-data <file>', 'also find errors on these samples')
    .option('--test-labels <file>', 'their labels, where they are not in that file')
    .option('--out <dir>', 'folder for the results; new or empty');
}

function addOptimiser(command: Command): Command {
  return command
    .option('--epochs <n>', 'passes over the training set', positiveInteger, 2000)
    .option('--batch <n>', 'samples in one step', positiveInteger, 100)
    .option('--learning-rate <x>', 'of RMSprop', positiveNumber, 1e-3)
    .option('--alpha <x>', 'of RMSprop: what is kept of the mean square', probability, 0.9)
    .option(
      '--epsilon <x>',
      'of RMSprop: added to the root of the mean square',
      positiveNumber,
      1e-8,
    )
    .option('--decay <x>', 'the learning rate is multiplied by this', share, 0.1)
    .option('--decay-epochs <n>', 'after every so many epochs; 0: never', wholeNumber, 400)
    .option('--first-rho <x>', 'rho at the start; lambda = exp(2 rho)', finiteNumber, -3)
    .option('--first-scale <x>', 'deviations begin at this times |w|', positiveNumber, 1)
    .option('--interval <n>', 'epochs between two bases of iter', positiveInteger, 10)
    .option('--checkpoint <n>', 'epochs of one task', positiveInteger, 10)
    .option(
      '--checkpoint-seconds <s>',
      'seconds between two states that can be resumed, also within an epoch; changes no result',
      positiveNumber,
      120,
    );
}

export function boundCommand(terminal: Terminal): Command {
  const command = new Command('bound')
    .description('PAC-Bayes bound on the true error, tighter in Kronecker eigenbases')
    .usage('<model.onnx> --data <file> --out <dir> [options]')
    .enablePositionalOptions()
    .argument('<model.onnx>', 'the trained model')
    .addCommand(boundEvaluateCommand(terminal));
  addFiles(command).addOption(
    new Option('--variant <name,...>', VARIANTS.join(', '))
      .argParser(choiceList(VARIANTS))
      .default(['base', 'appr', 'iter'], 'base,appr,iter'),
  );
  addOptimiser(command);
  addBoundSetting(command)
    .option('--mc-samples <n>', 'weights drawn for the training error', positiveInteger, 50_000)
    .option('--test-draws <n>', 'weights drawn for the test error', positiveInteger, 1000)
    .option(
      '--draw-samples <n>',
      'samples, chosen at random, that each of these weights is evaluated on',
      positiveInteger,
      1000,
    )
    .option('--samples <n>', 'the first n samples of the training set only', positiveInteger)
    .option('--seed <s>', 'seed of noise and order of samples', wholeNumber, 0)
    .option('--scale <factor>', 'multiplies input values, e.g. 1/255', scaleFactor)
    .addOption(
      new Option('--memory <size>', 'memory of one program, e.g. 512M')
        .argParser(memorySize)
        .default(DEFAULT_MEMORY, '4G'),
    )
    .option(
      '--parallel <n>',
      'tasks at a time; changes no result',
      positiveInteger,
      availableParallelism(),
    )
    .option('--device <name>', 'cpu', choice(['cpu'] as const, ['cuda', 'webgpu']), 'cpu' as const)
    .option('--linalg <name>', LINALGS.join(', '), choice(LINALGS), 'auto' as const)
    .option('--nats <url>', 'let the workers of a cluster compute, e.g. nats://head:4222');
  return addClusterOptions(command)
    .option('--resume', 'finish an interrupted run of the same options')
    .option('--report', 'write report.html into the result folder')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', EXAMPLES)
    .action((model: string, parsed: Parsed) => bound(model, parsed, terminal));
}
