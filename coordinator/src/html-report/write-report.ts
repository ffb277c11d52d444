// Makes a report of finished runs, bounds and comparisons and writes it as one HTML file.
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomic } from '@kronlens/proto';
import { UsageError } from '../plan/usage-error.js';
import {
  type AnalysisResults,
  kindOfResults,
  openAnalysis,
  openBound,
  openComparison,
  runNames,
} from '../results/index.js';
import { boundSection } from './bound-section.js';
import { comparisonSection } from './comparison-section.js';
import { overview } from './overview.js';
import { page } from './page.js';
import { type Anchored, runSection } from './run-section.js';

/**
 * The report as HTML text; the same folders give the same text.
 * @param folders result folders of analyses, bounds and comparisons, at least one
 * @throws BadInputError when one is no such folder, not finished, or a file is missing or damaged
 */
export async function renderReport(folders: readonly string[]): Promise<string> {
  const names = runNames(folders);
  const runs: AnalysisResults[] = [];
  const sections: Anchored[] = [];
  for (const [index, folder] of folders.entries()) {
    const name = names[index] ?? folder;
    const kind = await kindOfResults(folder);
    if (kind === 'compare') {
      sections.push(comparisonSection(await openComparison(folder, name)));
    } else if (kind === 'bound') {
      sections.push(await boundSection(await openBound(folder, name)));
    } else {
      const run = await openAnalysis(folder, name);
      runs.push(run);
      sections.push(await runSection(run));
    }
  }
  return page(`kronlens: ${names.join(', ')}`, overview(runs), sections);
}

/**
 * Writes the report; a file that is there is replaced.
 * @throws UsageError when `out` is a folder; BadInputError as `renderReport`; DiskFullError
 */
export async function writeReport(folders: readonly string[], out: string): Promise<void> {
  const found = await stat(out).catch(() => undefined);
  if (found?.isDirectory())
    throw new UsageError(`--out ${out} is a folder; give the name of an HTML file`);
  const text = await renderReport(folders);
  await mkdir(dirname(out), { recursive: true });
  await writeFileAtomic(out, text);
}
