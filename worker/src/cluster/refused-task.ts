// Why a worker does not touch a task: it was meant for workers that are set up differently.
import { KronlensError } from '@kronlens/proto';

/** The task is of another version of the code: its result would not be the one that is meant. */
export class OtherVersionError extends KronlensError {
  constructor(worker: string, own: string, wanted: string) {
    super(
      'other-version',
      `worker ${worker} is ${own} and cannot execute tasks of ${wanted}; run the same version everywhere`,
      { badInput: true },
    );
  }
}

/** Worker and run keep artifacts in different places. */
export class OtherStoreError extends KronlensError {
  constructor(worker: string, own: string, wanted: string) {
    super(
      'other-store',
      `worker ${worker} keeps artifacts in ${own}, the run in ${wanted}; start workers and run with the same --store`,
      { badInput: true },
    );
  }
}
