// Runs the command `kronlens` as a process of its own, as users do.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../bin/kronlens.js', import.meta.url));

/** The folder of an example of the checkout. */
export function examplePath(file: string): string {
  return fileURLToPath(new URL(`../../../examples/${file}`, import.meta.url));
}

export interface Ended {
  /** The exit code; null when a signal killed the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
  /** Waits until stderr matches. @throws when the process ends without that */
  said(pattern: RegExp): Promise<void>;
}

/** Starts a program with piped output. */
export function start(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Running {
  const child = spawn(file, [...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (piece: string) => {
      texts[name] += piece;
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...texts }));
  });
  const said = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(texts.stderr)) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`it ended without saying ${pattern}:\n${texts.stderr}`);
      await sleep(20);
    }
  };
  return { ended, kill: (signal) => void child.kill(signal), said };
}

/** Arguments of node that run the command with these arguments. */
export function kronlensCommand(args: readonly string[]): readonly [string, readonly string[]] {
  return [process.execPath, [BIN, ...args]];
}

/** Starts `kronlens` with arguments. */
export function startKronlens(...args: readonly string[]): Running {
  return start(...kronlensCommand(args));
}

/** Runs `kronlens` with arguments to its end. */
export function kronlens(...args: readonly string[]): Promise<Ended> {
  return startKronlens(...args).ended;
}
