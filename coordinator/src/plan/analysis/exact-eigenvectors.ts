// The files of the exact block's eigenvectors, and where it is that, of the Hessian's too.
import { writeExactEigenvectors } from '../../merge/factor-files.js';
import { exactOperator, type LayerWork } from '../layer-work.js';
import type { AnalysisOptions } from '../options.js';

/**
 * @param vectors [count, m n], one eigenvector a row
 * @throws DiskFullError
 */
export async function writeExactVectors(
  { files, spectra }: LayerWork,
  options: AnalysisOptions,
  count: number,
  vectors: Float64Array,
): Promise<void> {
  await writeExactEigenvectors(files, exactOperator(options), count, vectors);
  if (options.curvature !== 'hessian' || !files.layer.piecewiseLinear) return;
  spectra.addHessian();
  await writeExactEigenvectors(files, 'hessian', count, vectors);
}
