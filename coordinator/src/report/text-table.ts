// Aligned text tables for the terminal.

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

/**
 * Lines of a table: titles, then rows, two spaces between columns, no trailing spaces.
 * A title with a line feed is set on several lines.
 */
export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const titles = columns.map((column) => column.title.split('\n'));
  const height = Math.max(...titles.map((lines) => lines.length));
  const header = Array.from({ length: height }, (_, line) =>
    titles.map((lines) => lines[line - height + lines.length] ?? ''),
  );
  const all = [...header, ...rows];
  const widths = columns.map((_, index) =>
    Math.max(...all.map((row) => [...(row[index] ?? '')].length)),
  );
  return all.map((row) =>
    columns
      .map(({ align }, index) => {
        const cell = row[index] ?? '';
        const fill = ' '.repeat((widths[index] ?? 0) - [...cell].length);
        return align === 'left' ? cell + fill : fill + cell;
      })
      .join('  ')
      .trimEnd(),
  );
}
