// kronlens analyze: parses the options of an analysis, runs it embedded, shows the summary.
import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import {
  type AnalysisOptions,
  BIASES,
  CURVATURES,
  type ExecutionOptions,
  LINALGS,
  LOSSES,
  MEASURES,
  OUTPUT_HESSIANS,
  SHARINGS,
  SPECTRUM_PARTS,
  SPLITS,
  TOKEN_LOSSES,
} from '../plan/options.js';
import type { AnalysisRequest } from '../plan/prepare-run.js';
import type { ProgressSink } from '../plan/progress-sink.js';
import { type AnalysisOutcome, runAnalysis, summaryOf } from '../plan/run-analysis.js';
import { UsageError } from '../plan/usage-error.js';
import { renderSummary } from '../report/summary.js';
import { analyzeOnCluster, COORDINATORS } from './analyze-on-cluster.js';
import { addClusterOptions, CLUSTER_HELP, type ClusterParsed } from './cluster-options.js';
import { writeFolderReport } from './folder-report.js';
import { interruptible } from './interruption.js';
import { openEngine } from './open-engine.js';
import {
  choice,
  choiceList,
  commaList,
  integer,
  memorySize,
  positiveInteger,
  positiveNumber,
  scaleFactor,
  wholeNumber,
} from './option-values.js';
import { ProgressDisplay } from './progress.js';
import type { Terminal } from './terminal.js';

/** The options as commander parses them. */
interface Parsed
  extends Omit<
      AnalysisOptions,
      'measures' | 'memoryBytes' | 'mcSamples' | 'which' | 'probes' | 'blocks'
    >,
    ClusterParsed {
  readonly data: string;
  readonly labels?: string;
  readonly out: string;
  readonly measure: AnalysisOptions['measures'];
  readonly memory: number;
  readonly mcSamples?: number;
  readonly probes?: number;
  readonly which?: AnalysisOptions['which'];
  readonly block: readonly string[];
  readonly shard?: number;
  readonly parallel: number;
  readonly nats?: string;
  readonly coordinator: (typeof COORDINATORS)[number];
  readonly detach?: true;
  readonly resume?: true;
  readonly report?: true;
  readonly json?: true;
}

/** Memory that one program may take unless --memory says otherwise: the same on every machine. */
const DEFAULT_MEMORY = 4 * 2 ** 30;
const DEFAULT_TOP = 50;
const DEFAULT_DENSE = 1024;
const DEFAULT_TOLERANCE = 1e-6;
const DEFAULT_PROBES = 8;
/** PyTorch's. */
const DEFAULT_IGNORE_INDEX = -100;

const EXAMPLES = `
Data files: .npz (arrays x and y, or named like the model's inputs, and y), .npy, Arrow IPC files,
MNIST-style IDX (also .gz). Labels are optional; without them there is no loss and no accuracy.

Examples:
  kronlens analyze model.onnx --data data.npz --out out/model
  kronlens analyze model.onnx --data x.npy --labels y.npy --out out/model --layers 'conv*,fc1'
  kronlens analyze model.onnx --data train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz \\
      --scale 1/255 --out out/mnist
  kronlens analyze model.onnx --data data.npz --out out/mc --output-hessian mc --seed 1
  kronlens analyze model.onnx --data data.npz --out out/model --resume
  kronlens analyze model.onnx --data /shared/data.npz --out out/model --nats nats://head:4222

On a cluster (--nats), workers read the data under the same path as this command; the model is sent.
${CLUSTER_HELP}`;

function analysisOptions(parsed: Parsed): AnalysisOptions {
  if (parsed.mcSamples !== undefined && parsed.outputHessian === 'exact')
    throw new UsageError('--mc-samples needs --output-hessian mc or sketch');
  if (parsed.probes !== undefined && parsed.density === undefined)
    throw new UsageError('--probes needs --density');
  if (parsed.density !== undefined && !parsed.measure.includes('curvature'))
    throw new UsageError('--density is of the exact blocks; add curvature to --measure');
  if (parsed.which !== undefined && parsed.curvature !== 'hessian')
    throw new UsageError('--which needs --curvature hessian');
  return {
    loss: parsed.loss,
    layers: parsed.layers,
    exclude: parsed.exclude,
    split: parsed.split,
    measures: parsed.measure,
    top: parsed.top,
    dense: parsed.dense,
    tolerance: parsed.tolerance,
    outputHessian: parsed.outputHessian,
    mcSamples: parsed.mcSamples ?? 1,
    curvature: parsed.curvature,
    which: parsed.which ?? 'magnitude',
    blocks: parsed.block,
    includeAffine: parsed.includeAffine === true,
    cross: parsed.cross === true,
    tokenLoss: parsed.tokenLoss,
    ignoreIndex: parsed.ignoreIndex,
    sharing: parsed.sharing,
    bias: parsed.bias,
    density: parsed.density,
    probes: parsed.probes ?? DEFAULT_PROBES,
    ekfac: parsed.ekfac === true,
    fullHessian: parsed.fullHessian === true,
    classMeans: parsed.classMeans === true,
    samples: parsed.samples,
    seed: parsed.seed,
    batch: parsed.batch,
    memoryBytes: parsed.memory,
    scale: parsed.scale,
    skipUnsupported: parsed.skipUnsupported === true,
    device: parsed.device,
    linalg: parsed.linalg,
  };
}

function executionOptions(model: string, parsed: Parsed): ExecutionOptions {
  return {
    model,
    data: parsed.data,
    labels: parsed.labels,
    out: parsed.out,
    shard: parsed.shard,
    parallel: parsed.parallel,
    resume: parsed.resume === true,
  };
}

function show(
  terminal: Terminal,
  outcome: AnalysisOutcome,
  { out, json }: Parsed,
  report: string | undefined,
): void {
  const summary = summaryOf(outcome.record, out);
  if (json) {
    const { wasFinished } = outcome;
    terminal.out(JSON.stringify({ ...summary, wasFinished, report }, null, 2));
    return;
  }
  // Warnings were shown when the run began.
  const warnings = outcome.wasFinished ? summary.warnings : [];
  for (const line of renderSummary({ ...summary, warnings })) terminal.out(line);
  if (report !== undefined) terminal.out(`report in ${report}`);
}

async function runHere(
  request: AnalysisRequest,
  parsed: Parsed,
  progress: ProgressSink,
): Promise<AnalysisOutcome> {
  return await interruptible('run again with --resume to finish', async (signal) => {
    const engine = await openEngine(parsed, signal, progress);
    try {
      return await runAnalysis(request, engine, progress);
    } finally {
      await engine.close();
    }
  });
}

async function analyze(model: string, parsed: Parsed, terminal: Terminal): Promise<void> {
  const request = {
    options: analysisOptions(parsed),
    execution: executionOptions(model, parsed),
  };
  const progress = new ProgressDisplay({ stream: process.stderr });
  const { nats } = parsed;
  const handed = nats && (await analyzeOnCluster(request, { ...parsed, nats }, progress));
  if (handed && handed.kind === 'detached') {
    if (parsed.json) terminal.out(JSON.stringify({ run: handed.run }));
    else terminal.out(`run ${handed.run}: ${handed.advice}`);
    return;
  }
  const outcome =
    handed && handed.kind === 'finished'
      ? { record: handed.record, wasFinished: false }
      : await runHere(request, parsed, progress);
  if (outcome.wasFinished)
    terminal.err(`${parsed.out} holds the finished run; nothing is to be done`);
  const report = parsed.report ? await writeFolderReport(parsed.out) : undefined;
  show(terminal, outcome, parsed, report);
}

export function analyzeCommand(terminal: Terminal): Command {
  const command = new Command('analyze')
    .description('measure Kronecker factors, their eigenpairs and structure, layer by layer')
    .argument('<model.onnx>', 'the model')
    .requiredOption('--data <file>', 'samples, and labels where the file has them')
    .option('--labels <file>', 'labels, where they are not in the data file')
    .requiredOption('--out <dir>', 'folder for the results; new or empty')
    .option(
      '--loss <name>',
      `${LOSSES.join(', ')} (default: cross-entropy; bce for one logit)`,
      choice(LOSSES),
    )
    .addOption(
      new Option('--layers <glob,...>', 'only these layers')
        .argParser(commaList)
        .default([], 'all'),
    )
    .addOption(
      new Option('--exclude <glob,...>', 'not these layers')
        .argParser(commaList)
        .default([], 'none'),
    )
    .option(
      '--split <kind>',
      "attention's projections as layers of their own: heads, or qkv of fused ones",
      choice(SPLITS),
    )
    .addOption(
      new Option('--measure <name,...>', MEASURES.join(', '))
        .argParser(choiceList(MEASURES))
        .default([...MEASURES], 'all'),
    )
    .option(
      '--top <k>',
      'Kronecker eigenvalues and exact eigenpairs per layer',
      positiveInteger,
      DEFAULT_TOP,
    )
    .option(
      '--dense <d>',
      'exact blocks up to this dimension are formed whole',
      wholeNumber,
      DEFAULT_DENSE,
    )
    .option(
      '--tolerance <t>',
      'residuals of exact eigenpairs, relative to the largest eigenvalue',
      positiveNumber,
      DEFAULT_TOLERANCE,
    )
    .option(
      '--output-hessian <kind>',
      'exact; mc: estimated from drawn labels; sketch: from random combinations of its columns',
      choice(OUTPUT_HESSIANS),
      'exact' as const,
    )
    .option('--mc-samples <n>', 'draws a sample for mc and sketch (default: 1)', positiveInteger)
    .option('--curvature <kind>', CURVATURES.join(', '), choice(CURVATURES), 'ggn' as const)
    .addOption(
      new Option('--block <[name=]glob,...>', 'also the block of these parameters; repeatable')
        .argParser((text: string, before: readonly string[]) => [...before, text])
        .default([], 'none'),
    )
    .option('--include-affine', 'also the blocks of biases and of normalisations, each by itself')
    .option('--cross', 'also the Frobenius norms of the blocks between layers')
    .option(
      '--which <part>',
      `eigenpairs of the Hessian: ${SPECTRUM_PARTS.join(', ')} (largest and smallest, --top each)`,
      choice(SPECTRUM_PARTS),
    )
    .option(
      '--token-loss <kind>',
      'losses of the tokens of a sample: mean or sum over those that count',
      choice(TOKEN_LOSSES),
      'mean' as const,
    )
    .option(
      '--ignore-index <label>',
      'tokens with this label do not count',
      integer,
      DEFAULT_IGNORE_INDEX,
    )
    .option(
      '--sharing <kind>',
      'the factors: expand, reduce (over positions), kfoc (closest to the exact block)',
      choice(SHARINGS),
      'expand' as const,
    )
    .option(
      '--bias <kind>',
      'joint appends a 1 to the input of layers with a bias',
      choice(BIASES),
      'separate' as const,
    )
    .option(
      '--density <steps>',
      'also find the spectral density of the exact blocks, by so many Lanczos steps',
      positiveInteger,
    )
    .option(
      '--probes <n>',
      `random vectors that each density starts from (default: ${DEFAULT_PROBES})`,
      positiveInteger,
    )
    .option(
      '--class-means',
      'also find class and cross-class means, and their shares of the traces',
    )
    .option(
      '--full-hessian',
      'also find the top eigenpairs of all layers together, and approximate them',
    )
    .option('--ekfac', "also find the exact block's diagonal in the Kronecker eigenbasis")
    .option('--samples <n>', 'the first n samples only', positiveInteger)
    .option('--seed <s>', 'seed of random draws', wholeNumber, 0)
    .option(
      '--batch <n>',
      'samples in one execution (default: as the memory allows)',
      positiveInteger,
    )
    .option('--shard <n>', 'samples in one task; changes no result', positiveInteger)
    .option(
      '--parallel <n>',
      'tasks at a time; changes no result',
      positiveInteger,
      availableParallelism(),
    )
    .addOption(
      new Option('--memory <size>', 'memory of one program, e.g. 512M')
        .argParser(memorySize)
        .default(DEFAULT_MEMORY, '4G'),
    )
    .option('--scale <factor>', 'multiplies input values, e.g. 1/255', scaleFactor)
    .option('--skip-unsupported', 'leave out layers behind an unsupported op')
    .option('--device <name>', 'cpu', choice(['cpu'] as const, ['cuda', 'webgpu']), 'cpu' as const)
    .option('--linalg <name>', LINALGS.join(', '), choice(LINALGS), 'auto' as const)
    .option('--nats <url>', 'let the workers of a cluster compute, e.g. nats://head:4222')
    .option(
      '--coordinator <which>',
      'with --nats: cluster (kronlens serve), self (this command), auto: cluster where one serves',
      choice(COORDINATORS),
      'auto' as const,
    )
    .option('--detach', "submit the run to the cluster's coordinator, and leave");
  return addClusterOptions(command)
    .option('--resume', 'finish an interrupted run of the same options')
    .option('--report', 'write report.html into the result folder')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', EXAMPLES)
    .action((model: string, parsed: Parsed) => analyze(model, parsed, terminal));
}
