// Leaves the folder of a run as it should be after an error.
import { CancelledError, DiskFullError, KronlensError } from '@kronlens/proto';
import { type OutputFolder, withdrawOutputFolder } from './output-folder.js';
import type { RecordHead } from './run-record.js';

/**
 * Bad input that is found before there are results leaves no trace, so that the corrected command finds
 * the folder as it was. An interruption changes nothing: the run is to be resumed.
 * @param fail says in the record that the run failed
 * @param worth whether the folder holds work that a later command can use
 */
export async function leaveFolder(
  folder: OutputFolder<RecordHead>,
  error: unknown,
  fail: (error: unknown) => Promise<void>,
  worth = false,
): Promise<void> {
  if (error instanceof CancelledError) return;
  const badInput = error instanceof KronlensError && error.badInput;
  const withdrawn =
    badInput &&
    !worth &&
    !(error instanceof DiskFullError) &&
    folder.previous === undefined &&
    (await withdrawOutputFolder(folder));
  if (!withdrawn) await fail(error);
}
