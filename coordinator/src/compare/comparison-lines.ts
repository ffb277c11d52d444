// What `compare` says at the end: one line an operator of a layer, then what was left out.
import { formatDuration } from '../report/number-format.js';
import { type Column, textTable } from '../report/text-table.js';
import type { ComparisonRecord } from './comparison-record.js';

const COLUMNS: readonly Column[] = [
  { title: 'layer', align: 'left' },
  { title: 'operator', align: 'left' },
  { title: 'largest\nk', align: 'right' },
  { title: 'peak\nk', align: 'right' },
  { title: '\noverlap', align: 'right' },
  { title: 'over pairs\n+-', align: 'right' },
  { title: '\nrandom', align: 'right' },
  { title: 'predicted\nk', align: 'right' },
  { title: '\noverlap', align: 'right' },
  { title: '\ncondition', align: 'left' },
];

const share = (value: number | null | undefined) => (value == null ? '-' : value.toFixed(4));

/** `holds`, `fails`, or in how many of the pairs it holds. */
function condition(holds: number, pairs: number): string {
  if (holds === pairs) return 'holds';
  return holds === 0 ? 'fails' : `${holds} of ${pairs}`;
}

/** The lines of the summary. */
export function renderComparison(record: ComparisonRecord, out: string): readonly string[] {
  const rows = record.layers.flatMap(({ layer, operators, prediction }) =>
    operators.map(({ operator, top, limitedBy, peak }) => {
      // The theory is about the whole weight, not about its factors.
      const predicted = /(input|output)$/.test(operator) ? null : prediction;
      return [
        layer,
        operator,
        `${top}${limitedBy === null ? ' ' : '*'}`,
        peak === null ? '-' : `${peak.k}${peak.k === top ? '+' : ' '}`,
        share(peak?.mean),
        share(peak?.deviation),
        share(peak?.baseline),
        predicted === null ? '' : String(predicted.k),
        predicted === null ? '' : share(predicted.height),
        predicted === null ? '' : condition(predicted.holds, predicted.pairs),
      ];
    }),
  );
  const count = record.runs.length;
  const limited = record.layers.some(({ operators }) =>
    operators.some(({ limitedBy }) => limitedBy !== null),
  );
  const rising = record.layers.some(({ operators }) =>
    operators.some(({ top, peak }) => peak?.k === top),
  );
  const pairs = (count * (count - 1)) / 2;
  return [
    ...textTable(COLUMNS, rows),
    '',
    ...(rising ? ['+ the overlap still rises at the largest k: --top shows more'] : []),
    ...(limited
      ? ['* one of the runs has no more eigenvectors, or none with an eigenvalue above 0']
      : []),
    ...record.leftOut.map(
      ({ layer, missingIn }) =>
        `not compared: layer '${layer}' is missing in ${missingIn.join(', ')}`,
    ),
    ...record.warnings.map((warning) => `warning: ${warning}`),
    `${count} runs, ${pairs} ${pairs === 1 ? 'pair' : 'pairs'}, ${formatDuration(record.timings.totalMs)}`,
    `results in ${out}`,
  ];
}
