// The part of a run's section about all layers together: the full Hessian and its approximation.
import type { LayerRow } from '@kronlens/proto';
import { formatCount } from '../report/number-format.js';
import type { AnalysisResults } from '../results/index.js';
import { layerCharts } from './layer-charts.js';
import { layerData } from './layer-data.js';
import { html, type Markup } from './markup.js';

/** The name of all layers together in spectra.arrow and structure.arrow. */
const ALL_LAYERS = '*';

/** Weights and biases of all layers as one block. */
function stackedRow(layers: readonly LayerRow[]): LayerRow {
  const outputs = layers.reduce((sum, { groups, out_dim }) => sum + groups * out_dim, 0);
  const params = layers.reduce(
    (sum, row) => sum + row.params + (row.bias === null ? 0 : row.groups * row.out_dim),
    0,
  );
  return {
    layer: ALL_LAYERS,
    op: '',
    weight: '',
    out_dim: outputs,
    in_dim: 0,
    groups: 1,
    positions: 1,
    params,
    bias: null,
    piecewise_linear: layers.every(({ piecewise_linear }) => piecewise_linear),
  };
}

/** Nothing where the run did not look at all layers together. @param outliers c - 1 */
export function fullSection(run: AnalysisResults, outliers: number | undefined): Markup {
  const row = stackedRow(run.layers);
  const [data] = layerData({ ...run, layers: [row] });
  if (data === undefined || data.spectra.size === 0) return html``;
  const eigenvalues = new Map([...data.spectra].filter(([operator]) => operator !== 'output'));
  // The same measures as a layer's, but of another approximation.
  const curves = data.curves.map((curve) => ({ ...curve, measure: `${curve.measure}_full` }));
  const charts = layerCharts({ ...data, curves, spectra: eigenvalues }, outliers);
  return html`<section data-layer="${ALL_LAYERS}">
<h3>All layers together<small>${formatCount(row.params)} weights and biases, ${formatCount(row.out_dim)} outputs</small></h3>
<p>H is here the Gauss-Newton matrix of all weights and biases; it is approximated by eigenvectors
that join, over the layers p, u⁽ᵖ⁾ ⊗ E[x̃⁽ᵖ⁾]: u an eigenvector of the stacked output Hessian, x̃ = (x; 1).</p>
<div class="charts">
${charts}</div>
</section>
`;
}
