// Linear algebra by LAPACK: OpenBLAS, Accelerate or whatever else the machine has.
import { copyFinite, copySymmetric, requireShape } from '../checked-copy.js';
import { howToInstall } from '../how-to-install.js';
import { MatrixTooLargeError, NoConvergenceError } from '../linalg-error.js';
import type {
  LinearAlgebra,
  OrthogonalTriangular,
  ProductShape,
  SingularValues,
  SymmetricEigen,
} from '../linear-algebra.js';
import { descendingEigenpairs, fixSingularSigns, positiveDiagonal } from '../normal-form.js';
import { mirrorUpper } from '../triangle.js';
import { alignedFloat64 } from './aligned.js';
import {
  type Argument,
  call,
  callNow,
  callShort,
  character,
  double,
  integer,
  integers,
  integerValue,
} from './fortran.js';
import { type LapackLibrary, loadLapack, type RoutineName } from './library.js';
import { Slots } from './slots.js';

/** Threads of libuv's pool, on which calls run; file access and the like need the rest of them. */
const POOL_THREADS = Number(process.env.UV_THREADPOOL_SIZE ?? 4) || 4;
const LARGEST_INTEGER = 2 ** 31 - 1;

/**
 * The LAPACK backend. LAPACK's matrices are column-major: what it sees is the transpose of ours,
 * so that rows of ours are columns there and nothing has to be transposed.
 * @throws LinearAlgebraMissingError
 */
export function createLapack(): LinearAlgebra {
  return new Lapack(loadLapack());
}

class Lapack implements LinearAlgebra {
  readonly name = 'lapack';
  readonly library: string;
  readonly warning?: string;
  readonly #lapack: LapackLibrary;
  readonly #slots: Slots;

  constructor(lapack: LapackLibrary) {
    this.#lapack = lapack;
    this.library = lapack.description;
    if (lapack.reference) {
      this.warning = `${lapack.path} is the reference LAPACK, several times slower than OpenBLAS: ${howToInstall()}`;
    }
    this.#slots = new Slots(lapack.reentrant ? Math.max(1, POOL_THREADS - 1) : 1);
  }

  eigh(matrix: Float64Array, n: number): Promise<SymmetricEigen> {
    return this.#slots.run(async () => {
      requireShape(matrix, n, n);
      if (n === 0) return { values: new Float64Array(0), vectors: new Float64Array(0) };
      this.#requireSize(n, n, 1 + 6 * n + 2 * n * n);
      const vectors = alignedFloat64(n * n);
      copySymmetric(matrix, n, vectors);
      const values = alignedFloat64(n);
      await this.#solve(
        'dsyevd',
        `${n} x ${n}`,
        10 * n ** 3,
        (work, lwork, iwork, liwork, info) => [
          character('V'),
          character('L'),
          integer(n),
          vectors,
          integer(n),
          values,
          work,
          lwork,
          iwork,
          liwork,
          info,
        ],
      );
      return descendingEigenpairs(values, vectors, n, 'dsyevd');
    });
  }

  async gemm(a: Float64Array, b: Float64Array, shape: ProductShape): Promise<Float64Array> {
    const product = new Float64Array(shape.rows * shape.columns);
    await this.addGemm(product, 1, a, b, shape);
    return product;
  }

  addGemm(
    into: Float64Array,
    factor: number,
    a: Float64Array,
    b: Float64Array,
    shape: ProductShape,
  ): Promise<void> {
    return this.#slots.run(async () => {
      const { rows, inner, columns, transposeA = false, transposeB = false } = shape;
      requireShape(a, rows, inner);
      requireShape(b, inner, columns);
      requireShape(into, rows, columns);
      if (into.length === 0 || inner === 0) return;
      this.#requireSize(rows, columns, Math.max(a.length, b.length, into.length));
      // (op(a) op(b))^T = op(b)^T op(a)^T, of which LAPACK sees all three matrices.
      const args = [
        character(transposeB ? 'T' : 'N'),
        character(transposeA ? 'T' : 'N'),
        integer(columns),
        integer(rows),
        integer(inner),
        double(factor),
        b,
        integer(transposeB ? inner : columns),
        a,
        integer(transposeA ? rows : inner),
        double(1),
        into,
        integer(columns),
      ];
      await callShort(this.#lapack.routines.dgemm, args, rows * inner * columns);
    });
  }

  syrk(a: Float64Array, rows: number, columns: number): Promise<Float64Array> {
    return this.#slots.run(async () => {
      requireShape(a, rows, columns);
      const gram = new Float64Array(columns * columns);
      if (a.length === 0) return gram;
      this.#requireSize(rows, columns, Math.max(a.length, gram.length));
      await call(this.#lapack.routines.dsyrk, [
        // Its lower triangle is our upper one.
        character('L'),
        character('N'),
        integer(columns),
        integer(rows),
        double(1),
        a,
        integer(columns),
        double(0),
        gram,
        integer(columns),
      ]);
      mirrorUpper(gram, columns);
      return gram;
    });
  }

  svd(a: Float64Array, rows: number, columns: number): Promise<SingularValues> {
    return this.#slots.run(async () => {
      requireShape(a, rows, columns);
      const k = Math.min(rows, columns);
      const [u, vt] = [alignedFloat64(rows * k), alignedFloat64(k * columns)];
      const values = alignedFloat64(k);
      if (k === 0) return { u, values, vt };
      this.#requireSize(rows, columns, 4 * k * k + 7 * k + Math.max(rows, columns) * 64);
      const overwritten = alignedFloat64(a.length);
      copyFinite(a, rows, columns, overwritten);
      const iwork = integers(8 * k);
      // Of the transpose, the left singular vectors are the rows of vt.
      const work = 20 * rows * columns * k;
      await this.#solve(
        'dgesdd',
        `${rows} x ${columns}`,
        work,
        (work, lwork, _iwork, _liwork, info) => [
          character('S'),
          integer(columns),
          integer(rows),
          overwritten,
          integer(columns),
          values,
          vt,
          integer(columns),
          u,
          integer(k),
          work,
          lwork,
          iwork,
          info,
        ],
      );
      return fixSingularSigns({ u, values, vt }, rows, columns, 'dgesdd');
    });
  }

  qr(a: Float64Array, rows: number, columns: number): Promise<OrthogonalTriangular> {
    return this.#slots.run(async () => {
      requireShape(a, rows, columns);
      const k = Math.min(rows, columns);
      const [q, r] = [new Float64Array(rows * k), new Float64Array(k * columns)];
      if (k === 0) return { q, r };
      this.#requireSize(rows, columns, Math.max(a.length, Math.max(rows, columns) * 64));
      const factors = alignedFloat64(a.length);
      copyFinite(a, rows, columns, factors);
      const tau = alignedFloat64(k);
      const size = `${rows} x ${columns}`;
      // a^T = L Q: then a = Q^T L^T, and L^T is upper triangular.
      const work = 2 * rows * columns * k;
      await this.#solve('dgelqf', size, work, (work, lwork, _iwork, _liwork, info) => [
        integer(columns),
        integer(rows),
        factors,
        integer(columns),
        tau,
        work,
        lwork,
        info,
      ]);
      for (let i = 0; i < k; i++) {
        r.set(factors.subarray(i * columns + i, (i + 1) * columns), i * columns + i);
      }
      await this.#solve('dorglq', size, work, (work, lwork, _iwork, _liwork, info) => [
        integer(k),
        integer(rows),
        integer(k),
        factors,
        integer(columns),
        tau,
        work,
        lwork,
        info,
      ]);
      for (let i = 0; i < rows; i++) {
        q.set(factors.subarray(i * columns, i * columns + k), i * k);
      }
      return positiveDiagonal({ q, r }, rows, columns);
    });
  }

  async close(): Promise<void> {
    // The library stays loaded: other calls of this process may use it.
  }

  /**
   * Asks a routine for the size of its workspace, and then runs it.
   * @param multiplications about so many
   */
  async #solve(
    name: RoutineName,
    size: string,
    multiplications: number,
    args: (
      work: Float64Array,
      lwork: BigInt64Array,
      iwork: BigInt64Array,
      liwork: BigInt64Array,
      info: BigInt64Array,
    ) => readonly Argument[],
  ): Promise<void> {
    const routine = this.#lapack.routines[name];
    const [work, iwork, info] = [alignedFloat64(1), integers(1), integers(1)];
    callNow(routine, args(work, integer(-1), iwork, integer(-1), info));
    requireSuccess(name, size, info);
    const lwork = Math.max(1, Math.ceil(work[0] ?? 1));
    const liwork = Math.max(1, integerValue(iwork));
    await callShort(
      routine,
      args(alignedFloat64(lwork), integer(lwork), integers(liwork), integer(liwork), info),
      multiplications,
    );
    requireSuccess(name, size, info);
  }

  #requireSize(rows: number, columns: number, largest: number): void {
    if (largest > LARGEST_INTEGER && !this.#lapack.longIntegers) {
      throw new MatrixTooLargeError(rows, columns, this.#lapack.path);
    }
  }
}

function requireSuccess(name: RoutineName, size: string, info: BigInt64Array): void {
  const value = integerValue(info);
  if (value === 0) return;
  const reason = value < 0 ? `argument ${-value} is wrong` : `it did not converge (info ${value})`;
  throw new NoConvergenceError(name, size, reason);
}
