// Counts the verdicts of node tests, and says which are not as recorded.
import type { Outcome, Verdict } from './verdict.js';

/** What was recorded: op -> reason -> number of tests, for the two outcomes with a reason that is accepted. */
export interface Expectation {
  /** The version of the onnx package that the tests are of. */
  readonly onnx: string;
  readonly refused: Reasons;
  readonly notRunnable: Reasons;
  /** Op -> number of tests. */
  readonly supported: Readonly<Record<string, number>>;
}

type Reasons = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What the verdicts are, as it is recorded. */
export function expectationOf(onnx: string, verdicts: readonly Verdict[]): Expectation {
  return {
    onnx,
    supported: Object.fromEntries([...countsBy(verdicts, 'supported', (v) => v.op)]),
    refused: reasonsOf(verdicts, 'refused'),
    notRunnable: reasonsOf(verdicts, 'not-runnable'),
  };
}

/** Failing tests, and recorded counts that are others now; one sentence each. */
export function differences(recorded: Expectation, verdicts: readonly Verdict[]): string[] {
  const failing = verdicts
    .filter(({ outcome }) => outcome === 'failing')
    .map(({ test, reason }) => `${test} fails: ${reason}`);
  const now = expectationOf(recorded.onnx, verdicts);
  const lines = (e: Expectation) => [
    ...Object.entries(e.supported).map(([op, count]) => `${op}: ${count} supported`),
    ...reasonLines('refused', e.refused),
    ...reasonLines('not runnable', e.notRunnable),
  ];
  const [before, after] = [new Set(lines(recorded)), new Set(lines(now))];
  return [
    ...failing,
    ...[...before].filter((line) => !after.has(line)).map((line) => `no longer: ${line}`),
    ...[...after].filter((line) => !before.has(line)).map((line) => `new: ${line}`),
  ];
}

function reasonLines(what: string, reasons: Reasons): string[] {
  return Object.entries(reasons).flatMap(([op, counts]) =>
    Object.entries(counts).map(([reason, count]) => `${op}: ${count} ${what}, ${reason}`),
  );
}

function countsBy(
  verdicts: readonly Verdict[],
  outcome: Outcome,
  key: (verdict: Verdict) => string,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const verdict of verdicts)
    if (verdict.outcome === outcome) counts.set(key(verdict), (counts.get(key(verdict)) ?? 0) + 1);
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function reasonsOf(verdicts: readonly Verdict[], outcome: Outcome): Reasons {
  const ops = countsBy(verdicts, outcome, (verdict) => verdict.op);
  return Object.fromEntries(
    [...ops.keys()].map((op) => {
      const own = verdicts.filter((verdict) => verdict.op === op);
      return [op, Object.fromEntries(countsBy(own, outcome, (v) => reasonInShort(v)))];
    }),
  );
}

/** A reason without what differs from test to test: names of nodes and values, numbers, types. */
export function reasonInShort({ reason = '', outcome }: Verdict): string {
  if (outcome === 'not-runnable') {
    if (/implementation|not a registered|Error No Op|Unrecognized attribute/.test(reason))
      return 'ONNX Runtime has no such kernel, attribute or op';
    if (/^output /.test(reason)) return 'ONNX Runtime computes something else';
    return 'ONNX Runtime refuses the model';
  }
  return reason
    .replace(/^unsupported op \S+ in node .*$/, 'the op has no rule')
    .replace(
      /^the model: '[^']*' has element type \S+, which is not supported$/,
      'its element type',
    )
    .replace(/^the model: '[^']*' is no tensor$/, 'it takes or makes no tensor')
    .replace(/^\S+ '[^']*': /, '')
    .replace(/^the model uses opset .*$/, 'its opset is older than 9')
    .replace(/^the model names no opset.*$/, 'it is of another domain than the standard one');
}

/** The table for CONTRIBUTING.md, between its two markers. */
export function renderTable(recorded: Expectation, all: number): string {
  const sum = (counts: Readonly<Record<string, number>>) =>
    Object.values(counts).reduce((total, count) => total + count, 0);
  const total = (reasons: Reasons) =>
    Object.values(reasons).reduce((n, counts) => n + sum(counts), 0);
  const supported = sum(recorded.supported);
  const [refused, notRunnable] = [total(recorded.refused), total(recorded.notRunnable)];
  const floating = supported + refused + notRunnable;
  return [
    `onnx ${recorded.onnx} has ${all} node tests, ${floating} of them with floating-point tensors:`,
    '',
    '| | tests | ops |',
    '|---|---|---|',
    `| supported | ${supported} | ${Object.keys(recorded.supported).length} |`,
    `| refused | ${refused} | ${Object.keys(recorded.refused).length} |`,
    `| not runnable by ONNX Runtime | ${notRunnable} | ${Object.keys(recorded.notRunnable).length} |`,
    '',
    '| refused because | ops, and how many tests |',
    '|---|---|',
    ...byReason(recorded.refused),
    '',
    '| not runnable since | ops, and how many tests |',
    '|---|---|',
    ...byReason(recorded.notRunnable),
  ].join('\n');
}

function byReason(reasons: Reasons): string[] {
  const ops = new Map<string, string[]>();
  for (const [op, counts] of Object.entries(reasons))
    for (const [reason, count] of Object.entries(counts))
      ops.set(reason, [...(ops.get(reason) ?? []), `${op} ${count}`]);
  return [...ops]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([reason, list]) => `| ${reason} | ${list.join(', ')} |`);
}
