// Finds the built tests and runs them with node's test runner; arguments filter by path.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const filters = process.argv.slice(2);
const files = ['proto/dist', 'worker/dist', 'coordinator/dist']
  .flatMap((root) => readdirSync(root, { recursive: true }).map((path) => join(root, String(path))))
  .filter((path) => path.endsWith('.test.js'))
  .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
  .sort();
if (files.length === 0) {
  console.error(`no built test matches ${filters.join(' ')}; run npm run build first`);
  process.exit(1);
}
const concurrency = String(Math.min(2, availableParallelism()));
const { status } = spawnSync(
  process.execPath,
  ['--enable-source-maps', '--test', `--test-concurrency=${concurrency}`, ...files],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
