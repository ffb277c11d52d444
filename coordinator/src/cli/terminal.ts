// What a command writes to: results to stdout, progress and errors to stderr.

export interface Terminal {
  /** A line of the result. */
  out(line: string): void;
  /** A line about the run. */
  err(line: string): void;
}

/** The process's own streams. A reader that went away (`| head`) ends the output quietly. */
export function processTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
  };
}
