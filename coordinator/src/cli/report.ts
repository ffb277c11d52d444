// kronlens report: one HTML file about finished runs and comparisons.
import { Command } from 'commander';
import type { Terminal } from './terminal.js';

interface Parsed {
  readonly out: string;
  readonly json?: true;
}

const EXAMPLES = `
The file holds everything itself: it can be mailed, and opens without a network.

Examples:
  kronlens report out/model --out report.html
  kronlens report out/seed1 out/seed2 out/seeds --out seeds.html`;

export function reportCommand(terminal: Terminal): Command {
  return new Command('report')
    .description('show finished runs and comparisons in one HTML file')
    .argument('<dir...>', 'result folders of analyses, bounds and comparisons')
    .requiredOption('--out <file.html>', 'the file to write; an older one is replaced')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (folders: string[], { out, json }: Parsed) => {
      // The plotting library takes longer to load than most commands to run.
      const { writeReport } = await import('../html-report/index.js');
      await writeReport(folders, out);
      terminal.out(json ? JSON.stringify({ report: out, folders }, null, 2) : `report in ${out}`);
    });
}
