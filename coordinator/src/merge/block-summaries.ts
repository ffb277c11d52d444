// The leading numbers of blocks of parameters, from their rows of the result files.
import type { BlockRow, SpectrumRow, StructureRow } from '@kronlens/proto';
import type { BlockOperator, BlockSummary } from '../report/block-table.js';

/** In the order of `rows`; operators in that of `operators`. */
export function blockSummaries(
  rows: readonly BlockRow[],
  spectra: readonly SpectrumRow[],
  structure: readonly StructureRow[],
  operators: readonly string[],
): readonly BlockSummary[] {
  return [...new Set(rows.map(({ block }) => block))].map((block) => {
    const own = structure.filter(({ layer }) => layer === block);
    const measure = (name: string, operator: string) =>
      own.find((row) => row.measure === (operator === 'hessian' ? `${name}_hessian` : name))
        ?.value ?? null;
    return {
      block,
      parameters: rows
        .filter((row) => row.block === block)
        .reduce((sum, row) => sum + row.rows * row.columns, 0),
      operators: operators.map((operator): BlockOperator => {
        const values = spectra
          .filter((row) => row.layer === block && row.operator === operator)
          .map(({ eigenvalue }) => eigenvalue);
        return {
          operator,
          largest: values.length === 0 ? null : Math.max(...values),
          last: values.length === 0 ? null : Math.min(...values),
          trace: measure('trace', operator),
          frobenius: measure('norm_frobenius', operator),
        };
      }),
    };
  });
}
