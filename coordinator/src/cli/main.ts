// The command line: commands, help, errors in one sentence, exit codes.
import { Command } from 'commander';
import { VERSION } from '../version.js';
import { analyzeCommand } from './analyze.js';
import { attachCommand } from './attach.js';
import { boundCommand } from './bound.js';
import { cancelCommand } from './cancel.js';
import { compareCommand } from './compare.js';
import { doctorCommand } from './doctor.js';
import { EXIT, failureOf, stackOf } from './exit-code.js';
import { gcCommand } from './gc.js';
import { inspectCommand } from './inspect.js';
import { reportCommand } from './report.js';
import { runsCommand } from './runs.js';
import { serveCommand } from './serve.js';
import { processTerminal, type Terminal } from './terminal.js';
import { workerCommand } from './worker.js';

const DESCRIPTION =
  'Curvature of trained networks from ONNX files: Kronecker factors, spectra, structure.';

const EXAMPLES = `
Examples:
  kronlens doctor
  kronlens inspect model.onnx
  kronlens analyze model.onnx --data data.npz --out out/model
  kronlens compare out/model out/other-seed --out out/comparison
  kronlens report out/model --out report.html
  kronlens bound evaluate --kl 3766 --snn 0.0235 --half-log-lambda -1.29 --n 60000
  kronlens serve --nats nats://head:4222
  kronlens worker --nats nats://head:4222

Exit codes: 0 done, 1 failed, 2 bad usage or bad input, 130 interrupted.`;

/** Gives every command the global options, and lets errors through to `main`. */
function configure(command: Command): Command {
  for (const sub of command.commands) configure(sub).helpOption('-h, --help', 'show help');
  return command
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .option('--debug', 'show stack traces');
}

function program(terminal: Terminal, exit: (code: number) => void): Command {
  const root = configure(new Command('kronlens'))
    .description(DESCRIPTION)
    // Else `bound` would take the options of `bound evaluate` that it has, too.
    .enablePositionalOptions()
    .version(VERSION, '--version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', EXAMPLES);
  const commands = [
    inspectCommand(terminal),
    analyzeCommand(terminal),
    compareCommand(terminal),
    reportCommand(terminal),
    boundCommand(terminal),
    serveCommand(terminal),
    workerCommand(terminal),
    attachCommand(terminal),
    runsCommand(terminal),
    cancelCommand(terminal),
    gcCommand(terminal),
    doctorCommand(terminal, exit),
  ];
  for (const command of commands)
    root.addCommand(configure(command).helpOption('-h, --help', 'show help'));
  return root;
}

/**
 * Runs the command line.
 * @param argv arguments without node and script
 * @returns the exit code: 0 done, 1 failed, 2 bad usage or bad input, 130 interrupted
 */
export async function main(argv: readonly string[]): Promise<number> {
  const terminal = processTerminal();
  let code: number = EXIT.done;
  const root = program(terminal, (exitCode) => {
    code = exitCode;
  });
  try {
    await root.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    const { message, exitCode } = failureOf(error);
    if (message !== undefined) terminal.err(`kronlens: ${message}`);
    if (exitCode !== EXIT.done && argv.includes('--debug')) terminal.err(stackOf(error));
    return exitCode;
  }
}
