// Says what the data files of a describe-data task hold.
import type { DataArray, DescribeDataTask } from '@kronlens/proto';
import type { DataFiles } from '../data/data-files.js';

/**
 * The arrays of all files, in the order of the paths, with their digests.
 * @throws DataError when a file cannot be read, is truncated, damaged or of no known format
 */
export async function executeDescribeData(
  task: DescribeDataTask,
  files: DataFiles,
): Promise<DataArray[]> {
  return await files.describe(task.paths);
}
