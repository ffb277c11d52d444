// Tables of the report: numbers to the right, wide ones scroll within their own box.
import { type Content, html, type Markup } from './markup.js';

export interface HtmlColumn<R> {
  readonly title: Content;
  readonly cell: (row: R) => Content;
  /** Default: right, for numbers. */
  readonly align?: 'left';
}

/** @param kind what the table is, for tests, e.g. `layers` */
export function htmlTable<R>(
  kind: string,
  columns: readonly HtmlColumn<R>[],
  rows: readonly R[],
): Markup {
  const side = ({ align }: HtmlColumn<R>) => (align === 'left' ? 'left' : 'right');
  const head = columns.map((column) => html`<th class="${side(column)}">${column.title}</th>`);
  const body = rows.map(
    (row) =>
      html`<tr>${columns.map((column) => html`<td class="${side(column)}">${column.cell(row)}</td>`)}</tr>
`,
  );
  return html`<div class="scroll"><table data-table="${kind}">
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody>
</table></div>
`;
}
