// The option --report: the page about what a command has just written, beside it.
import { join } from 'node:path';

/** Writes the report of a finished run, bound or comparison into its folder. @returns its path */
export async function writeFolderReport(out: string): Promise<string> {
  // The plotting library takes longer to load than most commands to run.
  const { writeReport } = await import('../html-report/index.js');
  const path = join(out, 'report.html');
  await writeReport([out], path);
  return path;
}
