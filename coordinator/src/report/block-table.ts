// What `analyze` says of blocks of parameters: one line a block, its operators side by side.
import { formatCount, formatNumber } from './number-format.js';
import { type Column, textTable } from './text-table.js';

/** What one operator has in a block; null where a number is not known. */
export interface BlockOperator {
  /** As in spectra.arrow: `ggn` or another exact one, `hessian`. */
  readonly operator: string;
  /** The largest eigenvalue. */
  readonly largest: number | null;
  /** The smallest of the eigenvalues that were asked for. */
  readonly last: number | null;
  readonly trace: number | null;
  readonly frobenius: number | null;
}

/** A set of parameters whose block was measured as a whole. */
export interface BlockSummary {
  readonly block: string;
  readonly parameters: number;
  readonly operators: readonly BlockOperator[];
}

/** How an operator is called above its columns. */
const TITLES: Readonly<Record<string, string>> = { ggn: 'exact', hessian: 'Hessian' };

function columns(operator: string): readonly Column[] {
  const title = TITLES[operator] ?? operator;
  return [
    { title: `${title}\nlambda_1`, align: 'right' },
    // Those of what is not negative say little.
    ...(operator === 'hessian' ? [{ title: '\nlast', align: 'right' } as const] : []),
    { title: '\ntrace', align: 'right' },
    { title: '\nFrobenius', align: 'right' },
  ];
}

function cells({ operator, largest, last, trace, frobenius }: BlockOperator): readonly string[] {
  const shown = operator === 'hessian' ? [largest, last] : [largest];
  return [...shown, trace, frobenius].map(formatNumber);
}

/** No lines where there are no blocks. */
export function blockTable(blocks: readonly BlockSummary[]): readonly string[] {
  const [first] = blocks;
  if (first === undefined) return [];
  const titles: readonly Column[] = [
    { title: 'block', align: 'left' },
    { title: 'parameters', align: 'right' },
    ...first.operators.flatMap(({ operator }) => columns(operator)),
  ];
  const rows = blocks.map(({ block, parameters, operators }) => [
    block,
    formatCount(parameters),
    ...operators.flatMap(cells),
  ]);
  return ['', ...textTable(titles, rows)];
}
