// The colours and symbols of the series of a chart.

/** How a series is drawn; colours are the custom properties that style.ts defines. */
export interface SeriesStyle {
  /** A CSS colour. */
  readonly colour: string;
  readonly symbol: 'circle' | 'square' | 'triangle' | 'diamond' | 'cross' | 'star';
  /** Dash pattern of the line; undefined: solid. */
  readonly dash?: string;
}

/**
 * Okabe and Ito's hues, darkened on white and lightened on black until they stand out at 3 to 1
 * or better. Series differ in symbol or dash too, so that nothing depends on colour alone.
 */
export const COLOURS = {
  blue: { light: '#0072b2', dark: '#56b4e9' },
  vermillion: { light: '#c84e00', dark: '#ff8a3d' },
  green: { light: '#007a58', dark: '#2fc79b' },
  purple: { light: '#a8427c', dark: '#e79bc7' },
  amber: { light: '#946200', dark: '#f0b429' },
  grey: { light: '#6b7280', dark: '#9ca3af' },
} as const;

export type Colour = keyof typeof COLOURS;

const colour = (name: Colour) => `var(--${name})`;

/** Styles by what a series shows, the same in every chart. */
export const STYLES = {
  exact: { colour: colour('blue'), symbol: 'circle' },
  kronecker: { colour: colour('vermillion'), symbol: 'triangle' },
  input: { colour: colour('green'), symbol: 'square' },
  output: { colour: colour('purple'), symbol: 'diamond' },
  other: { colour: colour('amber'), symbol: 'star' },
  baseline: { colour: colour('grey'), symbol: 'cross', dash: '2 3' },
  predicted: { colour: 'var(--ink)', symbol: 'cross', dash: '6 4' },
} as const satisfies Readonly<Record<string, SeriesStyle>>;

/** The style of an operator of spectra.arrow or overlap.arrow. */
export function operatorStyle(operator: string): SeriesStyle {
  if (operator === 'kron' || operator === 'approximate') return STYLES.kronecker;
  if (operator === 'ggn') return STYLES.exact;
  if (operator === 'hessian') return { ...STYLES.exact, symbol: 'square', dash: '5 3' };
  if (operator.endsWith('input')) return STYLES.input;
  if (operator.endsWith('output')) return STYLES.output;
  return STYLES.other;
}

const CYCLE: readonly Colour[] = ['blue', 'vermillion', 'green', 'purple', 'amber', 'grey'];
const SYMBOLS = ['circle', 'triangle', 'square', 'diamond', 'cross', 'star'] as const;
const DASHES = [undefined, '5 3', '2 2'] as const;

/** The style of the index-th of many alike series; the first 18 are distinct. */
export function cycledStyle(index: number): SeriesStyle {
  const at = index % CYCLE.length;
  const dash = DASHES[Math.floor(index / CYCLE.length) % DASHES.length];
  const style = { colour: colour(CYCLE[at] ?? 'blue'), symbol: SYMBOLS[at] ?? 'circle' };
  return dash === undefined ? style : { ...style, dash };
}
