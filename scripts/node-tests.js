// Takes onnx's backend node tests through the graph's passes and derivatives: node scripts/node-tests.js <folder> [--record] [word...]
// The folder is made by scripts/make-node-tests.py. Without words all tests are run and compared with what is recorded;
// with words those whose name contains one, each shown. --record writes the expectation and CONTRIBUTING.md's table.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readNodeTests } from '../coordinator/dist/testing/node-tests/node-test.js';
import {
  EXPECTATION,
  readExpectation,
  TABLE_FILE,
  withTable,
} from '../coordinator/dist/testing/node-tests/recorded.js';
import { differences, expectationOf } from '../coordinator/dist/testing/node-tests/tally.js';
import { isFloatingPoint, judge } from '../coordinator/dist/testing/node-tests/verdict.js';

const { values: options, positionals } = parseArgs({
  options: {
    record: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const [folder, ...words] = positionals;
if (options.help || folder === undefined) {
  console.log('usage: node scripts/node-tests.js <folder> [--record] [word...]');
  process.exit(options.help ? 0 : 2);
}

const all = readNodeTests(folder);
const verdicts = [];
for (const test of all.filter(isFloatingPoint)) {
  if (words.length > 0 && !words.some((word) => test.name.includes(word))) continue;
  const verdict = await judge(test);
  verdicts.push(verdict);
  if (words.length === 0) continue;
  const { outcome, reason = '', differentiated, kinks, width = '' } = verdict;
  console.log(
    `${test.name}: ${outcome}${reason && `, ${reason}`} (${differentiated} inputs ${width}, ${kinks} kinks)`,
  );
}

const sum = (key) => verdicts.reduce((total, verdict) => total + verdict[key], 0);
for (const outcome of ['supported', 'refused', 'not-runnable', 'failing'])
  console.log(`${verdicts.filter((verdict) => verdict.outcome === outcome).length} ${outcome}`);
console.log(`${sum('differentiated')} inputs differentiated, ${sum('kinks')} elements left out`);
if (words.length === 0) {
  const recorded = readExpectation();
  for (const line of differences(recorded, verdicts)) console.log(line);
  if (options.record && verdicts.some(({ outcome }) => outcome === 'failing')) process.exit(1);
  if (options.record) {
    const now = expectationOf(recorded.onnx, verdicts);
    writeFileSync(EXPECTATION, `${JSON.stringify(now, null, 1)}\n`);
    writeFileSync(TABLE_FILE, withTable(readFileSync(TABLE_FILE, 'utf8'), now, all.length));
  }
}
