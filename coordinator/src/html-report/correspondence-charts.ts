// Heatmaps of how the eigenvectors of the factors correspond to the exact ones.
import { operatorName } from '../merge/factor-files.js';
import { type AnalysisResults, readMatrix } from '../results/index.js';
import { heatmapFigure } from './heatmap.js';
import type { LayerData } from './layer-data.js';
import type { Markup } from './markup.js';

/** Eigenvectors shown along each axis. */
const MOST = 30;
/** Groups of a grouped convolution that are shown. */
const MOST_GROUPS = 4;

const WORDS = {
  input: {
    title: 'Correspondence with E[xxᵀ]',
    axis: 'eigenvector vᵢ of E[xxᵀ]',
    formula: '‖Mat(hⱼ) vᵢ‖²',
  },
  output: {
    title: 'Correspondence with E[M]',
    axis: 'eigenvector uᵢ of E[M]',
    formula: '‖Mat(hⱼ)ᵀ uᵢ‖²',
  },
} as const;

/** The first rows and columns of a row-major matrix. */
function corner(values: Float64Array, columns: number, rows: number, width: number): Float64Array {
  return Float64Array.from(
    { length: rows * width },
    (_, at) => values[Math.floor(at / width) * columns + (at % width)] ?? 0,
  );
}

/** @throws BadInputError when a file is damaged */
export async function correspondenceCharts(
  { folder }: Pick<AnalysisResults, 'folder'>,
  { row: { layer, groups } }: LayerData,
): Promise<readonly Markup[]> {
  const figures: Markup[] = [];
  for (let group = 0; group < Math.min(groups, MOST_GROUPS); group++) {
    for (const factor of ['input', 'output'] as const) {
      const operator = operatorName(groups, group, factor);
      const matrix = await readMatrix(folder, 'correspondence', layer, operator);
      if (matrix === undefined || matrix.rows === 0 || matrix.columns === 0) continue;
      const { title, axis, formula } = WORDS[factor];
      const [rows, columns] = [Math.min(MOST, matrix.rows), Math.min(MOST, matrix.columns)];
      const all = rows === matrix.rows && columns === matrix.columns;
      const cut = all
        ? ''
        : ` The first ${rows} of ${matrix.rows} rows and ${columns} of ${matrix.columns} columns are shown.`;
      figures.push(
        heatmapFigure({
          kind: `correspondence_${factor}`,
          title: groups === 1 ? title : `${title}, group ${group}`,
          caption: `Corr(i, j) = ${formula}; every column sums to 1${groups === 1 ? '' : ' over all groups'}.${cut}`,
          xLabel: 'exact eigenvector hⱼ',
          yLabel: axis,
          rows,
          columns,
          values: corner(matrix.values, matrix.columns, rows, columns),
        }),
      );
    }
  }
  return figures;
}
