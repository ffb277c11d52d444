// kronlens bound: PAC-Bayes bounds on the true error.
import { Command } from 'commander';
import { boundEvaluateCommand } from './bound-evaluate.js';
import type { Terminal } from './terminal.js';

export function boundCommand(terminal: Terminal): Command {
  return new Command('bound')
    .description('PAC-Bayes bounds on the true error')
    .addCommand(boundEvaluateCommand(terminal));
}
