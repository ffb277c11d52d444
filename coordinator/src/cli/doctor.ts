// kronlens doctor: what this machine has, what is missing, and how to get it.
import { Command } from 'commander';
import { examineMachine } from '../embedded.js';
import { textTable } from '../report/text-table.js';
import { EXIT } from './exit-code.js';
import type { Terminal } from './terminal.js';

/** @param exit takes the exit code: 1 when something is missing */
export function doctorCommand(terminal: Terminal, exit: (code: number) => void): Command {
  return new Command('doctor')
    .description('say what is installed, what is missing and how to get it')
    .option('--json', 'print JSON')
    .action(async ({ json }: { readonly json?: true }) => {
      const { rows } = await examineMachine();
      const complete = rows.every(({ ok }) => ok);
      if (json) terminal.out(JSON.stringify({ ok: complete, rows }, null, 2));
      else {
        const table = textTable(
          [
            { title: '', align: 'left' },
            { title: '', align: 'left' },
            { title: '', align: 'left' },
          ],
          rows.map(({ name, ok, detail }) => [ok ? 'ok' : 'missing', name, detail]),
        );
        for (const line of table.slice(1)) terminal.out(line);
        for (const { name, ok, fix } of rows)
          if (!ok && fix !== undefined) terminal.out(`${name}: ${fix}`);
      }
      exit(complete ? EXIT.done : EXIT.failed);
    });
}
