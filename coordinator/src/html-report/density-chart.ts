// The spectral density of a layer's exact block, smoothed, over the logarithm of the eigenvalue.
import type { DensityRow } from '@kronlens/proto';
import { formatPercent } from '../report/number-format.js';
import { RESOLUTION } from '../results/index.js';
import type { Chart, Point } from './chart.js';
import type { LayerData } from './layer-data.js';
import { STYLES } from './palette.js';

const POINTS = 240;
/** The masses become bells of this width, in shares of the range that is shown. */
const SMOOTHING = 1 / 80;

/** Mass at an eigenvalue of that size, averaged over probes. */
interface Mass {
  readonly size: number;
  readonly negative: boolean;
  readonly weight: number;
}

function massesOf(rows: readonly DensityRow[]): readonly Mass[] {
  const probes = new Set(rows.map(({ probe }) => probe)).size;
  return rows.map(({ eigenvalue, weight }) => ({
    size: Math.abs(eigenvalue),
    negative: eigenvalue < 0,
    weight: weight / probes,
  }));
}

/**
 * Share of the eigenvalues per decade, by a sum of Gaussian bells; nothing falls below `floor`, so
 * that a logarithmic scale ends where a single eigenvalue does.
 */
export function smoothedDensity(
  masses: readonly { readonly size: number; readonly weight: number }[],
  [low, high]: readonly [number, number],
  width: number,
  floor: number,
): readonly Point[] {
  const places = masses.map(({ size, weight }) => ({ at: Math.log10(size), weight }));
  return Array.from({ length: POINTS + 1 }, (_, i) => {
    const x = low + ((high - low) * i) / POINTS;
    const y = places.reduce(
      (sum, { at, weight }) => sum + weight * Math.exp(-0.5 * ((x - at) / width) ** 2),
      0,
    );
    return { x, y: Math.max(floor, y / (width * Math.sqrt(2 * Math.PI))) };
  });
}

/** One chart an operator; none where the density was not asked for or the block is zero. */
export function densityCharts({ density, row }: LayerData): readonly Chart[] {
  const operators = [...new Set(density.map(({ operator }) => operator))];
  return operators.flatMap((operator) =>
    densityChart(
      density.filter((mass) => mass.operator === operator),
      row.params,
      operator,
    ),
  );
}

function densityChart(
  density: readonly DensityRow[],
  dimension: number,
  operator: string,
): readonly Chart[] {
  const hessian = operator === 'hessian';
  const masses = massesOf(density);
  const largest = masses.reduce((most, { size }) => Math.max(most, size), 0);
  const told = masses.filter(({ size }) => size > RESOLUTION * largest);
  if (told.length === 0) return [];
  const logs = told.map(({ size }) => Math.log10(size));
  const [least, most] = [Math.min(...logs), Math.max(...logs)];
  const width = Math.max(0.02, (most - least) * SMOOTHING);
  const range = [least - 3 * width, most + 3 * width] as const;
  const single = 1 / (dimension * width * Math.sqrt(2 * Math.PI));
  const series = [false, true].flatMap((negative) => {
    const own = told.filter((mass) => mass.negative === negative);
    if (own.length === 0) return [];
    const points = smoothedDensity(own, range, width, single / 10);
    return [
      {
        id: negative ? 'negative' : 'density',
        name: negative ? 'below 0, at their size' : 'eigenvalues',
        style: negative ? STYLES.kronecker : STYLES.exact,
        points,
        marks: 'line' as const,
      },
    ];
  });
  const rest = 1 - told.reduce((sum, { weight }) => sum + weight, 0);
  const probes = new Set(density.map(({ probe }) => probe));
  const source = probes.has(null)
    ? `All eigenvalues of the ${hessian ? 'Hessian' : 'exact block'} are known.`
    : `Estimated by stochastic Lanczos quadrature from ${probes.size} random ${probes.size === 1 ? 'vector' : 'vectors'}.`;
  const zero = rest > 1e-6 ? ` ${formatPercent(rest)} cannot be told from 0 and are left out.` : '';
  const chart = {
    kind: 'density',
    title: `Spectral density of the ${hessian ? 'Hessian' : 'exact block'}`,
    caption: `${source}${zero} Each mass is a bell of ${width.toFixed(2)} decades.`,
    xLabel: 'log₁₀ λ',
    yLabel: 'share of the eigenvalues per decade',
    yScale: 'log' as const,
    series,
  };
  return [chart];
}
