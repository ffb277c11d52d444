// Where the expected verdicts of the node tests and their table in CONTRIBUTING.md are kept.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Expectation, renderTable } from './tally.js';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export const EXPECTATION = path('../../../fixtures/node-tests/expected.json');
export const TABLE_FILE = path('../../../../CONTRIBUTING.md');

const BEGIN = '<!-- node tests: written by scripts/node-tests.js --record -->';
const END = '<!-- end of node tests -->';

export function readExpectation(): Expectation {
  return JSON.parse(readFileSync(EXPECTATION, 'utf8')) as Expectation;
}

/**
 * The text with the table of the expectation between its markers.
 * @throws when the text has no markers
 */
export function withTable(text: string, recorded: Expectation, all: number): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`no place for the node tests in ${TABLE_FILE}`);
  return `${text.slice(0, begin)}${BEGIN}\n${renderTable(recorded, all)}\n${text.slice(end)}`;
}
