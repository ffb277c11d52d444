// Compress by a constant condition: a Gather.
import { int, intAttribute } from '../attributes.js';
import { tensorNumbers } from '../tensor.js';
import { composed, type Decomposition, NotRewritten } from './node-writer.js';

/** Keeps elements, or slices along an axis, by a condition; what depends on data has no fixed shape. */
const compress = composed((w, node) => {
  const condition = w.initializer(w.required(1));
  if (condition === undefined) throw new NotRewritten();
  const kept = tensorNumbers(condition).flatMap((keep, index) => (keep !== 0 ? [index] : []));
  if (node.attributes.axis !== undefined) {
    w.result('Gather', [w.required(0), w.ints(...kept)], {
      axis: int(intAttribute(node, 'axis', 0)),
    });
    return;
  }
  w.result('Gather', [w.reshape(w.required(0), -1), w.ints(...kept)], { axis: int(0) });
});

/** By op. */
export const STANDARD_COMPRESS: readonly (readonly [string, Decomposition])[] = [
  ['Compress', compress],
];
