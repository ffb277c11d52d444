// Chooses the linear algebra backend.
import { howToInstall } from './how-to-install.js';
import { createLapack } from './lapack/lapack.js';
import { LinearAlgebraMissingError } from './linalg-error.js';
import type { LinearAlgebra } from './linear-algebra.js';
import { createPortable } from './portable/portable.js';

/** `auto` takes LAPACK where the machine has one, else the portable backend with a warning. */
export type LinearAlgebraChoice = 'auto' | 'lapack' | 'portable';

/**
 * A backend, to be closed after use. LAPACK has to be loaded on the main thread.
 * @throws LinearAlgebraMissingError when `lapack` was asked for and is not there, or KRONLENS_BLAS
 *   names a library that cannot be used
 */
export async function createLinearAlgebra(choice: LinearAlgebraChoice): Promise<LinearAlgebra> {
  if (choice === 'portable') return createPortable();
  try {
    return createLapack();
  } catch (error) {
    if (!(error instanceof LinearAlgebraMissingError)) throw error;
    if (choice === 'auto' && !process.env.KRONLENS_BLAS) {
      return createPortable(
        `${error.message}, so eigendecompositions run in JavaScript, many times slower: ${howToInstall()}`,
      );
    }
    throw new LinearAlgebraMissingError(`${error.message}; ${howToInstall()}`, error.cause);
  }
}
