// Writes class and cross-class means as matrix files.
import { type LayerFiles, layerFacts, writeMatrix } from './factor-files.js';

/** Means of one layer: [classes, columns, width] each. */
export interface ClassMeanMatrices {
  readonly classes: number;
  readonly columns: number;
  readonly counts: readonly number[];
  readonly gamma: { readonly values: Float64Array; readonly width: number };
  readonly delta: { readonly values: Float64Array; readonly width: number } | undefined;
}

const WORDS = {
  gamma: ['d logits / d z, the mean over positions', 'outputs [groups, out_dim]'],
  delta: ['d logits / d W', 'weights row-major [groups, out_dim, in_dim]'],
} as const;

/** Writes `class_means/<layer>.{gamma,delta}.arrow`, a row for each class i and row j of Q. @throws DiskFullError */
export async function writeClassMeans(files: LayerFiles, means: ClassMeanMatrices): Promise<void> {
  const { classes, columns, counts } = means;
  for (const kind of ['gamma', 'delta'] as const) {
    const matrix = means[kind];
    if (matrix === undefined) continue;
    const [what, layout] = WORDS[kind];
    await writeMatrix(files, 'class_means', `${files.stem}.${kind}.arrow`, {
      layer: files.layer.name,
      what: `class and cross-class means E[(Q J)_j | y = i], J = ${what}: row i * ${columns} + j is class i, row j of Q`,
      normalisation: `mean over the samples of class i; Q^T Q = d2 loss / d logits2; 0 for classes without samples; ${layout}`,
      rows: classes * columns,
      columns: matrix.width,
      values: matrix.values,
      metadata: { ...layerFacts(files), counts: JSON.stringify(counts) },
    });
  }
}
