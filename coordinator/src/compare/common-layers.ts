// Which layers all runs have, which some lack, and that they have the same shape.
import { BadInputError, type LayerRow } from '@kronlens/proto';
import type { AnalysisResults } from '../results/index.js';
import { differentShapes } from './different-shapes.js';

export interface CommonLayers {
  /** In the order of the first run. */
  readonly common: readonly LayerRow[];
  /** Layers that are not compared, with the runs that lack them. */
  readonly leftOut: readonly { readonly layer: string; readonly missingIn: readonly string[] }[];
}

type Run = Pick<AnalysisResults, 'name' | 'layers'>;

const shapeOf = ({ out_dim, in_dim, groups }: LayerRow) =>
  `${out_dim}x${in_dim}${groups === 1 ? '' : ` in ${groups} groups`}`;

/**
 * Embeddings are not compared: the eigenvectors of their input factors are unit vectors, and not stored.
 * @throws BadInputError when a layer's shape differs between runs, or no layer is common
 */
export function commonLayers(runs: readonly Run[]): CommonLayers {
  const [first, ...others] = runs;
  if (first === undefined) throw new Error('no runs have no layers');
  const compared = ({ layers }: Run) => layers.filter(({ op }) => op !== 'Gather');
  const names = [...new Set(runs.flatMap((run) => compared(run).map(({ layer }) => layer)))];
  const rowOf = (run: Run, name: string) => run.layers.find(({ layer }) => layer === name);
  const common: LayerRow[] = [];
  const leftOut: { layer: string; missingIn: readonly string[] }[] = [];
  for (const name of names) {
    const missingIn = runs.filter((run) => rowOf(run, name) === undefined).map((run) => run.name);
    const row = rowOf(first, name);
    if (missingIn.length > 0 || row === undefined) {
      leftOut.push({ layer: name, missingIn });
      continue;
    }
    for (const run of others) {
      const other = rowOf(run, name) ?? row;
      if (shapeOf(other) !== shapeOf(row))
        throw differentShapes(
          name,
          `${shapeOf(row)} weights in ${first.name} and ${shapeOf(other)} in ${run.name}`,
        );
    }
    common.push(row);
  }
  if (common.length === 0)
    throw new BadInputError(
      'no-common-layer',
      `${runs.map(({ name }) => name).join(', ')} have no layer in common; compare runs of one architecture`,
    );
  return { common, leftOut };
}
