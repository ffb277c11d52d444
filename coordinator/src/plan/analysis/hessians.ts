// Finds eigenpairs of the true Hessian's blocks; those of piecewise linear layers are known already.
import { isEmbedding } from '../../layers/index.js';
import { exactMasses } from '../../merge/density-rows.js';
import { writeExactEigenvectors } from '../../merge/factor-files.js';
import { blockDim, layerProduct } from '../../programs/index.js';
import { type BlockJob, runBlockStage } from '../block-stage.js';
import { type LayerWork, takeHessian } from '../layer-work.js';
import type { AnalysisWork } from './analysis-work.js';
import type { AnalysisStage } from './stage.js';

/** Layers whose Hessian is wanted and is not their Gauss-Newton block. */
function jobsOf(work: AnalysisWork): readonly (BlockJob & { readonly of: LayerWork })[] {
  if (work.options.curvature !== 'hessian') return [];
  const { layers, factorOptions } = work.run;
  return layers
    .filter((layer) => !layer.piecewiseLinear && !isEmbedding(layer))
    .map((layer) => {
      const of = work.layer(layer.name);
      const { factors } = of;
      return {
        of,
        product: layerProduct('hessian', layer, factorOptions),
        dim: blockDim(layer, factorOptions),
        kronecker: factors === undefined ? undefined : { factors, groups: layer.groups },
      };
    });
}

export const hessians: AnalysisStage = {
  name: 'hessian',
  unit: 'layers',
  total: (work) => jobsOf(work).length,

  async run(work, progress) {
    const { engine, blockStage: stage, options, seen } = work;
    await runBlockStage(engine, stage, jobsOf(work), progress, seen, async ({ of }, pairs) => {
      takeHessian(of, pairs, options.which);
      if (stage.density !== undefined && pairs.spectrum !== undefined)
        of.hessianDensity = exactMasses(pairs.spectrum);
      await writeExactEigenvectors(of.files, 'hessian', pairs.values.length, pairs.vectors);
    });
  },
};
