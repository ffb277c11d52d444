// kronlens compare: overlaps of eigenspaces between finished runs, from their stored eigenvectors.
import { Command } from 'commander';
import { renderComparison, runComparison } from '../compare/index.js';
import { writeFolderReport } from './folder-report.js';
import { interruptible } from './interruption.js';
import { positiveInteger } from './option-values.js';
import { ProgressDisplay } from './progress.js';
import type { Terminal } from './terminal.js';

interface Parsed {
  readonly out: string;
  readonly top?: number;
  readonly trajectory?: true;
  readonly report?: true;
  readonly json?: true;
}

const EXAMPLES = `
Writes overlap.arrow (every pair of runs), overlap_mean.arrow (mean and standard deviation over the
pairs, random baseline, prediction), prediction.arrow, and with --trajectory trajectory.arrow.
The peak shown is where the overlap exceeds that of random subspaces most.

Examples:
  kronlens compare out/seed1 out/seed2 out/seed3 --out out/seeds
  kronlens compare out/epoch-* --trajectory --out out/training --report`;

export function compareCommand(terminal: Terminal): Command {
  return new Command('compare')
    .description('compare the eigenspaces of finished runs, layer by layer')
    .argument('<dir...>', 'result folders of two analyses or more')
    .requiredOption('--out <dir>', 'folder for the results; new or empty')
    .option(
      '--top <k>',
      'largest k (default: 50, or 1.5 times the output dimension)',
      positiveInteger,
    )
    .option('--trajectory', 'the runs are checkpoints of one training, in order')
    .option('--report', 'write report.html into the folder')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (folders: string[], { out, top, trajectory, report: wanted, json }: Parsed) => {
      const request = { folders, out, top, trajectory: trajectory === true };
      const progress = new ProgressDisplay({ stream: process.stderr });
      const record = await interruptible(undefined, (signal) =>
        runComparison(request, signal, progress),
      );
      const report = wanted ? await writeFolderReport(out) : undefined;
      if (json) terminal.out(JSON.stringify({ ...record, report }, null, 2));
      else {
        for (const line of renderComparison(record, out)) terminal.out(line);
        if (report !== undefined) terminal.out(`report in ${report}`);
      }
    });
}
