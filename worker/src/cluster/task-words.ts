// A task in a few words, for messages to people.
import type { Task } from '@kronlens/proto';

/** For example "the eigendecomposition of layer 'fc1' (task 3fa2b1c4)". */
export function taskWords({ kind }: Task, id: string): string {
  return `${words(kind)} (task ${id.slice(0, 8)})`;
}

function words(kind: Task['kind']): string {
  switch (kind.case) {
    case 'program': {
      const { firstBatch, batchCount } = kind.value;
      return `the pass over batches ${firstBatch} to ${firstBatch + batchCount - 1n}`;
    }
    case 'merge':
      return 'the merge of sums';
    case 'eigen':
      return `the eigendecomposition of layer '${kind.value.layer}'`;
    case 'curvature':
      return `the curvature of layer '${kind.value.layer}'`;
    case 'structure':
      return `the structure of layer '${kind.value.layer}'`;
    case 'empty':
      return 'an empty task';
    case 'posterior': {
      const { firstEpoch, lastEpoch } = kind.value;
      return `epochs ${firstEpoch} to ${lastEpoch - 1n} of a posterior`;
    }
    case 'posteriorDraws': {
      const { firstDraw, drawCount } = kind.value;
      return `draws ${firstDraw} to ${firstDraw + drawCount - 1n} of a posterior`;
    }
    default:
      return 'a task';
  }
}
