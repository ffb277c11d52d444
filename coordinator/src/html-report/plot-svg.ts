// Renders Observable Plot's charts to SVG text without a browser.
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

/** Attributes that hold coordinates. */
const COORDINATES = /\b(x|y|x1|x2|y1|y2|cx|cy|r|d|width|height|transform)="([^"]*)"/g;

/** Two decimals of a pixel are more than a screen shows. */
function rounded(svg: string): string {
  return svg.replace(COORDINATES, (_, name: string, value: string) => {
    const short = value.replace(/-?\d+\.\d{3,}(e-?\d+)?/g, (number) =>
      String(Number(Number(number).toFixed(2))),
    );
    return `${name}="${short}"`;
  });
}

/**
 * The SVG element of a plot as text; the same options give the same text.
 * @param description what the chart shows, for those who cannot see it
 */
export function plotSvg(options: Plot.PlotOptions, description: string): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const plot = Plot.plot({
    document,
    className: 'plot',
    style: { fontSize: '12px' },
    ariaLabel: description,
    ...options,
  });
  // The page's own style sheet takes the place of the one in every chart.
  for (const style of plot.querySelectorAll('style')) style.remove();
  plot.setAttribute('role', 'img');
  return rounded(String(plot.outerHTML));
}
