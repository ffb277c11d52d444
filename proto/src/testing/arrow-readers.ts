// Other people's Arrow readers, for tests: pyarrow, polars and DuckDB, by scripts/check-arrow-files.py.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const READERS = 'import duckdb, polars, pyarrow';

/** Why a test that needs them is skipped. */
export const NO_READERS =
  'no Python with pyarrow, polars and duckdb in .venv or as python3: run scripts/test.sh';

/** What the script says of a folder. */
export interface ReaderVerdict {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @returns what has all files of a folder read; undefined where no Python has the readers */
export function arrowReaders(): ((folder: string) => ReaderVerdict) | undefined {
  const pythons = [join(ROOT, '.venv/bin/python'), 'python3'];
  const python = pythons.find((command) => spawnSync(command, ['-c', READERS]).status === 0);
  if (python === undefined) return undefined;
  const script = join(ROOT, 'scripts/check-arrow-files.py');
  return (folder) => spawnSync(python, [script, folder], { encoding: 'utf8' });
}
