// What `kronlens doctor` says of linear algebra on this machine.

import type { MachineRow } from '../examine.js';
import { howToInstall } from './how-to-install.js';
import { createLapack } from './lapack/lapack.js';

/** A 2 x 2 matrix with eigenvalues 3 and 1. */
const TRIAL = Float64Array.of(2, 1, 1, 2);

/**
 * Which LAPACK was found and whether it works; without one, what to install. Nothing is thrown.
 * Has to run on the main thread.
 */
export async function examineLinearAlgebra(): Promise<MachineRow> {
  const name = 'linear algebra';
  try {
    const lapack = createLapack();
    const { values } = await lapack.eigh(TRIAL, 2);
    const [first = 0, second = 0] = values;
    if (Math.abs(first - 3) > 1e-12 || Math.abs(second - 1) > 1e-12) {
      const detail = `${lapack.library} computes wrong eigenvalues: ${first} and ${second}, not 3 and 1`;
      return { name, ok: false, detail, fix: howToInstall() };
    }
    if (lapack.warning !== undefined) {
      return { name, ok: false, detail: lapack.library, fix: lapack.warning };
    }
    return { name, ok: true, detail: lapack.library };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const detail = `${reason}; the portable backend is there, but slow for more than some 500 rows`;
    return { name, ok: false, detail, fix: howToInstall() };
  }
}
