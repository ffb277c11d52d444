// Where the standard deviations of a posterior begin: log |w| in the basis of the noise.
import {
  type ArtifactStore,
  type BundleTensor,
  decodeBundle,
  KronlensError,
} from '@kronlens/proto';
import type { LinearAlgebra } from '../linalg/index.js';
import type { ParameterFacts } from './parameter-memory.js';
import type { BasisIds } from './posterior-job.js';

/** Values smaller than this times the parameter's root mean square begin there: log 0 leads nowhere. */
const SMALLEST = 1e-6;

/**
 * s = log(scale |U^T W V|) of rotated parameters, log(scale |w|) of all others. A parameter that is zero
 * throughout begins at the prior's standard deviation.
 * @param parameters the trained values, tensors named like the parameters
 * @param rho logarithm of the prior's standard deviation
 * @throws KronlensError when a parameter or its basis is not there or does not fit
 */
export async function firstLogStds(
  facts: readonly ParameterFacts[],
  parameters: ReadonlyMap<string, BundleTensor>,
  bases: ReadonlyMap<string, readonly BasisIds[]>,
  { rho, scale }: { readonly rho: number; readonly scale: number },
  { store, linalg }: { readonly store: Pick<ArtifactStore, 'get'>; readonly linalg: LinearAlgebra },
): Promise<ReadonlyMap<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for (const { name, rotated } of facts) {
    const values = parameters.get(name)?.values;
    if (values === undefined)
      throw new KronlensError('bad-task', `the trained parameters lack '${name}'`);
    const basis = bases.get(name) ?? [];
    const turned = rotated ? await toBasis(name, values, basis, store, linalg) : values;
    found.set(name, logMagnitudes(turned, rho, scale));
  }
  return found;
}

function logMagnitudes(values: Float64Array, rho: number, scale: number): Float32Array {
  const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
  if (square === 0) return new Float32Array(values.length).fill(rho);
  const least = SMALLEST * Math.sqrt(square);
  return Float32Array.from(values, (value) => Math.log(scale * Math.max(Math.abs(value), least)));
}

/** U^T W V of every group; U^T W where there is no V, as of biases. */
async function toBasis(
  name: string,
  values: Float64Array,
  basis: readonly BasisIds[],
  store: Pick<ArtifactStore, 'get'>,
  linalg: LinearAlgebra,
): Promise<Float64Array> {
  const turned = new Float64Array(values.length);
  const length = values.length / basis.length;
  for (const [group, { output, input }] of basis.entries()) {
    const own = values.subarray(group * length, (group + 1) * length);
    const u = await eigenvectors(output, store);
    const v = input === '' ? undefined : await eigenvectors(input, store);
    const m = Math.sqrt(u.length);
    const n = v === undefined ? length / m : Math.sqrt(v.length);
    if (m * n !== length || !Number.isInteger(n))
      throw new KronlensError('bad-task', `the basis [${m}, ${n}] of '${name}' does not fit it`);
    const left = await linalg.gemm(u, own, { rows: m, inner: m, columns: n });
    if (v === undefined) {
      turned.set(left, group * length);
      continue;
    }
    const both = await linalg.gemm(left, v, { rows: m, inner: n, columns: n, transposeB: true });
    turned.set(both, group * length);
  }
  return turned;
}

/** As rows. */
async function eigenvectors(id: string, store: Pick<ArtifactStore, 'get'>): Promise<Float64Array> {
  const vectors = decodeBundle(await store.get(id)).get('eigenvectors')?.values;
  if (vectors !== undefined) return vectors;
  throw new KronlensError('bad-task', `artifact ${id} holds no eigenvectors`);
}
