// Merge tasks: adds the partial sums of shards into the sums over all batches.
import {
  type ArtifactStore,
  BundleLayout,
  type BundleTensor,
  contentId,
  decodeBundle,
  KronlensError,
  type MergeTask,
} from '@kronlens/proto';
import { TreeSum } from '../sum/tree-sum.js';
import type { TaskArtifact } from './task-artifact.js';

/** The bundles of a merge task cannot be added. */
export class MergeError extends KronlensError {
  constructor(reason: string, bundle?: string) {
    super('bad-merge', reason, { details: bundle === undefined ? {} : { bundle } });
  }
}

/**
 * Adds bundles by the tree over batch indices: one artifact `sums`, with the tensors of the first
 * bundle in their order. Since all bundles but the last cover the same power-of-two number of
 * batches, counting each as one unit gives the tree over batches. Bundles are read one after the
 * other, and at most log2(bundles) + 2 are held.
 * @throws MergeError when the task names no bundle, or two bundles hold different tensors
 * @throws ArtifactMissingError, ArtifactCorruptError, MalformedBundleError
 */
export async function runMerge(
  task: MergeTask,
  { store }: { readonly store: Pick<ArtifactStore, 'get'> },
): Promise<TaskArtifact[]> {
  const [firstId] = task.bundles;
  if (firstId === undefined) throw new MergeError('a merge task names no bundle');
  const first = decodeBundle(await store.get(firstId));
  const layout = [...first.values()].map(({ name, shape, symmetric }) => ({
    name,
    shape,
    symmetric,
  }));
  const frame = new BundleLayout(layout).frame();
  const sums = new Map([...frame.values].map(([name, into]) => [name, new TreeSum(0, { into })]));
  addBundle(sums, first);
  for (const id of task.bundles.slice(1)) {
    const bundle = decodeBundle(await store.get(id));
    requireSameTensors(first, bundle, firstId, id);
    addBundle(sums, bundle);
  }
  for (const sum of sums.values()) sum.finish();
  const bytes = frame.finish();
  return [{ name: 'sums', bytes, id: contentId(bytes) }];
}

type Bundle = ReadonlyMap<string, BundleTensor>;

function addBundle(sums: ReadonlyMap<string, TreeSum>, bundle: Bundle): void {
  for (const [name, sum] of sums) {
    const tensor = bundle.get(name);
    if (tensor !== undefined) sum.add(tensor.values);
  }
}

const describe = ({ shape, symmetric }: BundleTensor): string =>
  `${symmetric ? 'symmetric ' : ''}[${shape.join(', ')}]`;

function requireSameTensors(first: Bundle, other: Bundle, firstId: string, id: string): void {
  for (const [name, tensor] of first) {
    const same = other.get(name);
    if (same === undefined) {
      throw new MergeError(`bundle ${id} lacks the tensor '${name}' of bundle ${firstId}`, id);
    }
    if (describe(same) !== describe(tensor)) {
      throw new MergeError(
        `tensor '${name}' is ${describe(same)} in bundle ${id}, but ${describe(tensor)} in ${firstId}`,
        id,
      );
    }
  }
  const extra = [...other.keys()].find((name) => !first.has(name));
  if (extra !== undefined) {
    throw new MergeError(`bundle ${id} has a tensor '${extra}' that ${firstId} lacks`, id);
  }
}
