// Finds rows of embeddings that an exporter has computed once and for all, so that the file has no embedding any more.
import type { ShapedGraph } from '../graph/index.js';

/** PyTorch's current exporter calls a value after the op that made it: these are outputs of `embedding`. */
const ROWS = /^embedding(_\d+)?$/;

/** Of each such constant that the model reads, a sentence for the user. */
export function foldedEmbeddings(graph: ShapedGraph): readonly string[] {
  return [...graph.initializers]
    .filter(
      ([name, { dtype, shape }]) => ROWS.test(name) && dtype === 'float32' && shape.length > 1,
    )
    .map(
      ([name, { shape }]) =>
        `the constant '${name}' [${shape.join(', ')}] holds rows of an embedding at fixed positions, which the exporter took as no parameter: it is no layer; an export with a dynamic token dimension keeps the embedding`,
    );
}
