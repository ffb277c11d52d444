// Writes what a structure task found in matrices: correspondence of eigenvectors, singular values.
import {
  type LayerFiles,
  layerFacts,
  matrixFileName,
  matrixOf,
  writeMatrix,
} from './factor-files.js';
import { type StructureBundle, structureMatrix } from './structure-rows.js';

/**
 * Writes `correspondence/<layer>.input.arrow` and `.output.arrow`, one pair a group, and
 * `correspondence/<layer>.singular_values.arrow`; none for a layer whose exact block is zero. Of
 * layers with a chain to the logits also `factors/<layer>.surrogate.arrow`.
 * @param operator of the exact eigenvectors: `ggn`, `hessian`, ...
 * @throws DiskFullError
 */
export async function writeStructureFiles(
  files: LayerFiles,
  operator: string,
  bundle: StructureBundle,
): Promise<void> {
  if (bundle.has('surrogate_output'))
    await writeMatrix(files, 'factors', `${files.stem}.surrogate.arrow`, {
      layer: files.layer.name,
      what: 'surrogate M~ of the output Hessian E[M]',
      normalisation: '4^-L S^T E[A] S: S the product of the weights behind, L the ReLUs between',
      ...matrixOf(structureMatrix(bundle, 'surrogate_output')),
      metadata: layerFacts(files),
    });
  if (!bundle.has('singular_values')) return;
  const singular = matrixOf(structureMatrix(bundle, 'singular_values'));
  if (singular.rows === 0) return;
  const { layer, stem } = files;
  await writeMatrix(files, 'correspondence', `${stem}.singular_values.arrow`, {
    layer: layer.name,
    what: `largest singular values of the eigenvectors h of the exact block (${operator}) as matrices Mat(h), one eigenvector a row, largest eigenvalue first`,
    normalisation: 'eigenvectors have unit length: the squares of all singular values add up to 1',
    ...singular,
    metadata: { ...layerFacts(files), operator },
  });
  const symbols = {
    input: ['||Mat(h_j) v_i||^2', 'v_i of the input autocorrelation'],
    output: ['||Mat(h_j)^T u_i||^2', 'u_i of the output Hessian'],
  } as const;
  for (let group = 0; group < layer.groups; group++) {
    for (const side of ['input', 'output'] as const) {
      const [formula, own] = symbols[side];
      const sum = layer.groups === 1 ? 'a column' : 'a column, over all groups,';
      const name = matrixFileName(stem, layer.groups, group, side);
      await writeMatrix(files, 'correspondence', name, {
        layer: layer.name,
        what: `correspondence ${formula}: row i is eigenvector ${own}, column j eigenvector h_j of the exact block (${operator}), largest eigenvalues first`,
        normalisation: `${sum} adds up to 1`,
        ...matrixOf(structureMatrix(bundle, `g${group}.correspondence_${side}`)),
        metadata: { ...layerFacts(files, group), operator },
      });
    }
  }
}
