// The tables of an analysis: layers.arrow, and what was measured of spectra.arrow, structure.arrow, density.arrow.
import { join } from 'node:path';
import {
  DENSITY,
  type DensityRow,
  encodeTable,
  LAYERS,
  SPECTRA,
  STRUCTURE,
  writeFileAtomic,
} from '@kronlens/proto';
import { densityRows } from '../../merge/density-rows.js';
import { fullSpectrumRows, fullStructureRows } from '../../merge/full-hessian-results.js';
import { layerRows } from '../../merge/layer-table.js';
import { exactOperator } from '../layer-work.js';
import type { AnalysisWork } from './analysis-work.js';

/** @throws DiskFullError */
export async function writeTables(work: AnalysisWork): Promise<void> {
  const { options, full, spectra, parameterBlocks: blocks } = work;
  const write = (name: string, bytes: Uint8Array) =>
    writeFileAtomic(join(work.folder, `${name}.arrow`), bytes);
  await write(LAYERS.name, encodeTable(LAYERS, layerRows(work.run.layers)));
  await blocks.writeTable();
  const curvature = work.measures('curvature') || blocks.count > 0 || full !== undefined;
  const structure = work.measures('structure') || options.classMeans;
  if (work.measures('eigen') || curvature || options.ekfac) {
    const { top } = options;
    const ofLayers = spectra.flatMap((layer) => layer.spectrumRows(top, exactOperator(options)));
    const ofAll = full === undefined ? [] : fullSpectrumRows(full, top);
    const rows = [...ofLayers, ...blocks.spectrumRows(), ...ofAll];
    await write(SPECTRA.name, encodeTable(SPECTRA, rows));
  }
  if (structure || curvature) {
    const ofLayers = spectra.flatMap((layer) => layer.structureRows());
    const ofAll = full === undefined ? [] : fullStructureRows(full);
    const rows = [...ofLayers, ...blocks.structureRows(), ...ofAll];
    await write(STRUCTURE.name, encodeTable(STRUCTURE, rows));
  }
  if (options.density !== undefined) {
    const rows = [...layerDensities(work), ...blocks.densityRows()];
    await write(DENSITY.name, encodeTable(DENSITY, rows));
  }
}

function layerDensities(work: AnalysisWork): readonly DensityRow[] {
  const { options } = work;
  const operator = exactOperator(options);
  return work.run.layers.flatMap(({ name, piecewiseLinear }) => {
    const { density = [], hessianDensity } = work.layer(name);
    const own = piecewiseLinear ? density : hessianDensity;
    const hessian = options.curvature === 'hessian' ? (own ?? []) : [];
    return [...densityRows(name, operator, density), ...densityRows(name, 'hessian', hessian)];
  });
}
