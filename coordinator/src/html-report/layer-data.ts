// What a run's files say of one layer, ready to be drawn.
import type { DensityRow, LayerRow } from '@kronlens/proto';
import { type AnalysisResults, layerSpectra, type Spectrum } from '../results/index.js';

/** A measure of structure.arrow that has a value for every k. */
export interface MeasureCurve {
  readonly measure: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LayerData {
  readonly row: LayerRow;
  /** By operator. */
  readonly spectra: ReadonlyMap<string, Spectrum>;
  /** Measures with one value. */
  readonly scalars: ReadonlyMap<string, number>;
  /** Measures over k, in the order of the file. */
  readonly curves: readonly MeasureCurve[];
  /** The spectral density of the exact block; empty where it was not asked for. */
  readonly density: readonly DensityRow[];
}

export function layerData({
  layers,
  spectra,
  structure,
  density,
}: AnalysisResults): readonly LayerData[] {
  return layers.map((row) => {
    const scalars = new Map<string, number>();
    const curves = new Map<string, { x: number; y: number }[]>();
    for (const { layer, measure, k, value } of structure) {
      if (layer !== row.layer) continue;
      if (k === null) scalars.set(measure, value);
      else curves.set(measure, [...(curves.get(measure) ?? []), { x: k, y: value }]);
    }
    return {
      row,
      spectra: layerSpectra(spectra, row.layer),
      scalars,
      curves: [...curves].map(([measure, points]) => ({
        measure,
        points: points.sort((a, b) => a.x - b.x),
      })),
      density: density.filter(({ layer }) => layer === row.layer),
    };
  });
}

/** c - 1, where the theory expects the outliers to end; undefined where there are none to expect. */
export function outlierCount({ facts }: Pick<AnalysisResults, 'facts'>): number | undefined {
  return facts.lossName === 'cross-entropy' && facts.outputs > 1 ? facts.outputs - 1 : undefined;
}
