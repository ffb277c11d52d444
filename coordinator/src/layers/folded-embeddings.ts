// Finds rows of embeddings that an exporter has computed once and for all, so that the file has no embedding any more.
import { type ShapedGraph, type Tensor, tensor } from '../graph/index.js';
import { isEmbedding, type Layer } from './layer.js';

/** PyTorch's current exporter calls a value after the op that made it: these are outputs of `embedding`. */
const ROWS = /^embedding(_\d+)?$/;
/** Of what cuts rows out of a table, and masks out of others. */
const PARTS = /^(slice|unsqueeze)(_\d+)?$/;

/**
 * Of each such constant that the model reads, a sentence for the user.
 * @param layers a part as wide as one of their embeddings, with more values than a mask, is taken for rows
 */
export function foldedEmbeddings(graph: ShapedGraph, layers: readonly Layer[]): readonly string[] {
  const widths = new Set(layers.filter(isEmbedding).map(({ outDim }) => outDim));
  const areRows = (name: string, held: Tensor) =>
    ROWS.test(name) ||
    (PARTS.test(name) && widths.has(held.shape.at(-1) ?? 0) && hasManyValues(held));
  return [...graph.initializers]
    .filter(
      ([name, held]) => held.dtype === 'float32' && held.shape.length > 1 && areRows(name, held),
    )
    .map(
      ([name, { shape }]) =>
        `the constant '${name}' [${shape.join(', ')}] holds rows of an embedding at fixed positions, which the exporter took as no parameter: it is no layer; an export with a dynamic token dimension keeps the embedding`,
    );
}

function hasManyValues(held: Tensor): boolean {
  return new Set(tensor.tensorNumbers(held)).size > 2;
}
