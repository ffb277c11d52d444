// Every backend against the definitions, and the backends against each other.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { createLinearAlgebra } from './create-linear-algebra.js';
import {
  LinearAlgebraMissingError,
  NotFiniteMatrixError,
  NotSymmetricMatrixError,
} from './linalg-error.js';
import type { LinearAlgebra, SymmetricEigen } from './linear-algebra.js';
import {
  identity,
  largest,
  largestDifference,
  product,
  randomSymmetric,
  randomValues,
  transpose,
} from './testing/matrices.js';

async function open(choice: 'lapack' | 'portable'): Promise<LinearAlgebra | string> {
  try {
    return await createLinearAlgebra(choice);
  } catch (error) {
    if (error instanceof LinearAlgebraMissingError) return error.message;
    throw error;
  }
}

const opened = { lapack: await open('lapack'), portable: await open('portable') };

/** Checks A v = lambda v, orthonormal rows, descending values and the sign. */
function checkEigen(matrix: Float64Array, n: number, eigen: SymmetricEigen): void {
  const { values, vectors } = eigen;
  assert.equal(values.length, n);
  const scale = Math.max(largest(values), Number.MIN_VALUE);
  const image = product(vectors, matrix, n, n, n);
  const scaled = vectors.map((value, i) => value * (values[Math.floor(i / n)] ?? Number.NaN));
  const residual = largestDifference(image, scaled) / scale;
  assert.ok(residual <= 1e-13 * n, `residual ${residual}`);
  const gram = product(vectors, transpose(vectors, n, n), n, n, n);
  const orthogonality = largestDifference(gram, identity(n));
  assert.ok(orthogonality <= 1e-13 * n, `orthogonality ${orthogonality}`);
  for (let i = 0; i < n; i++) {
    assert.ok(i === 0 || (values[i - 1] ?? 0) >= (values[i] ?? 0), 'descending');
    const row = vectors.subarray(i * n, (i + 1) * n);
    const top = row.findIndex((value) => Math.abs(value) === largest(row));
    assert.ok((row[top] ?? 0) > 0, `the largest component of vector ${i} is positive`);
  }
}

for (const [name, backend] of Object.entries(opened)) {
  const skip = typeof backend === 'string' ? backend : false;
  describe(name, { skip }, () => {
    if (typeof backend === 'string') return;
    const linalg = backend;
    after(() => linalg.close());

    test('eigh of random matrices', async () => {
      for (const n of [1, 2, 3, 17, 64, 129, 300]) {
        const matrix = randomSymmetric(n, n);
        const before = matrix.slice();
        checkEigen(matrix, n, await linalg.eigh(matrix, n));
        assert.deepEqual(matrix, before, 'the argument is left alone');
      }
    });

    test('eigh of 1 x 1 and 2 x 2 matrices by hand', async () => {
      assert.deepEqual(await linalg.eigh(Float64Array.of(-3), 1), {
        values: Float64Array.of(-3),
        vectors: Float64Array.of(1),
      });
      const { values, vectors } = await linalg.eigh(Float64Array.of(2, 1, 1, 2), 2);
      const h = Math.SQRT1_2;
      assert.ok(largestDifference(values, Float64Array.of(3, 1)) < 1e-15);
      assert.ok(largestDifference(vectors.subarray(0, 2), Float64Array.of(h, h)) < 1e-15);
      assert.ok(Math.abs((vectors[2] ?? 0) + (vectors[3] ?? 0)) < 1e-15);
      assert.deepEqual((await linalg.eigh(new Float64Array(0), 0)).values.length, 0);
    });

    test('eigh of the zero matrix and of the identity', async () => {
      for (const matrix of [new Float64Array(25), identity(5)]) {
        const eigen = await linalg.eigh(matrix, 5);
        checkEigen(matrix, 5, eigen);
        assert.deepEqual([...eigen.values], Array(5).fill(matrix[0]));
        assert.ok(eigen.vectors.every((value) => !Object.is(value, -0)));
      }
    });

    test('eigh of rank-deficient matrices', async () => {
      const [n, rank] = [120, 7];
      const factor = randomValues(rank * n, 5);
      const matrix = product(transpose(factor, rank, n), factor, n, rank, n);
      const eigen = await linalg.eigh(matrix, n);
      checkEigen(matrix, n, eigen);
      const top = eigen.values[0] ?? 0;
      assert.ok((eigen.values[rank - 1] ?? 0) > 1e-3 * top);
      assert.ok(largest(eigen.values.subarray(rank)) < 1e-13 * top);
    });

    test('eigh of matrices of any magnitude', async () => {
      const n = 40;
      for (const scale of [1e-300, 1e-30, 1e30, 1e300]) {
        const matrix = randomSymmetric(n, 9).map((value) => value * scale);
        const eigen = await linalg.eigh(matrix, n);
        const plain = await linalg.eigh(randomSymmetric(n, 9), n);
        const error = largestDifference(
          eigen.values.map((value) => value / scale),
          plain.values,
        );
        assert.ok(error < 1e-12, `${scale}: eigenvalues off by ${error}`);
        assert.ok(largestDifference(eigen.vectors, plain.vectors) < 1e-10);
      }
      // Rows of very different magnitude in one matrix.
      const graded = randomSymmetric(n, 3).map(
        (value, i) => value * 10 ** (-(Math.floor(i / n) + (i % n)) / 2),
      );
      checkEigen(graded, n, await linalg.eigh(graded, n));
    });

    test('eigh takes the mean where the triangles differ by rounding', async () => {
      const exact = randomSymmetric(30, 2);
      const rounded = exact.map(
        (value, i) => value + 1e-7 * Math.sign((i % 30) - Math.floor(i / 30)),
      );
      const { values } = await linalg.eigh(rounded, 30);
      assert.ok(largestDifference(values, (await linalg.eigh(exact, 30)).values) < 1e-13);
    });

    test('eigh refuses what has no eigendecomposition', async () => {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const matrix = randomSymmetric(6, 1);
        matrix[6 + 3] = bad;
        await assert.rejects(linalg.eigh(matrix, 6), (error) => {
          assert.ok(error instanceof NotFiniteMatrixError);
          assert.match(error.message, new RegExp(`entry \\[1, 3\\] of the matrix is ${bad}`));
          return true;
        });
      }
      const skew = randomSymmetric(6, 1);
      skew[6 + 3] = 5;
      await assert.rejects(linalg.eigh(skew, 6), NotSymmetricMatrixError);
      await assert.rejects(linalg.eigh(skew, 5), /36 values do not make a 5 x 5 matrix/);
    });

    test('the same bytes in repeated and in concurrent calls', async () => {
      const n = 150;
      const matrix = randomSymmetric(n, 4);
      const first = await linalg.eigh(matrix, n);
      const calls = Array.from({ length: 12 }, (_, i) => {
        // Other work in between, so that calls meet in different states of the library.
        if (i % 3 === 2) void linalg.syrk(matrix, n, n);
        return linalg.eigh(matrix, n);
      });
      for (const again of await Promise.all(calls)) assert.deepEqual(again, first);
      const shifted = new Float64Array(n * n + 1).subarray(1);
      shifted.set(matrix);
      assert.deepEqual(await linalg.eigh(shifted, n), first, 'wherever the matrix lies in memory');
    });

    test('gemm, transposed or not, and added to what is there', async () => {
      const [rows, inner, columns] = [13, 29, 8];
      const [a, b] = [randomValues(rows * inner, 1), randomValues(inner * columns, 2)];
      const expected = product(a, b, rows, inner, columns);
      for (const transposeA of [false, true]) {
        for (const transposeB of [false, true]) {
          const left = transposeA ? transpose(a, rows, inner) : a;
          const right = transposeB ? transpose(b, inner, columns) : b;
          const shape = { rows, inner, columns, transposeA, transposeB };
          const found = await linalg.gemm(left, right, shape);
          assert.ok(largestDifference(found, expected) < 1e-13);
          const into = randomValues(rows * columns, 4);
          const sum = into.map((value, i) => value - 3 * (expected[i] ?? Number.NaN));
          await linalg.addGemm(into, -3, left, right, shape);
          assert.ok(largestDifference(into, sum) < 1e-13);
        }
      }
      const empty = new Float64Array(0);
      const none = await linalg.gemm(empty, empty, { rows: 2, inner: 0, columns: 3 });
      assert.deepEqual(none, new Float64Array(6));
      const same = Float64Array.of(1, 2);
      await linalg.addGemm(same, 1, empty, empty, { rows: 1, inner: 0, columns: 2 });
      assert.deepEqual(same, Float64Array.of(1, 2));
      const shape = { rows: 1, inner: 1, columns: 2 };
      await assert.rejects(linalg.addGemm(none, 1, same.subarray(1), same, shape), RangeError);
    });

    test('syrk', async () => {
      for (const [rows, columns] of [
        [50, 130],
        [130, 5],
        [1, 1],
      ] as const) {
        const a = randomValues(rows * columns, 3);
        const gram = await linalg.syrk(a, rows, columns);
        const expected = product(transpose(a, rows, columns), a, columns, rows, columns);
        assert.ok(largestDifference(gram, expected) < 1e-12);
        assert.deepEqual(gram, transpose(gram, columns, columns));
      }
    });

    test('svd', async () => {
      for (const [rows, columns] of [
        [40, 25],
        [25, 40],
        [9, 9],
        [1, 6],
        [6, 1],
      ] as const) {
        const k = Math.min(rows, columns);
        const a = randomValues(rows * columns, 7);
        const { u, values, vt } = await linalg.svd(a, rows, columns);
        const scaled = u.map((value, i) => value * (values[i % k] ?? Number.NaN));
        assert.ok(largestDifference(product(scaled, vt, rows, k, columns), a) < 1e-13);
        const left = product(transpose(u, rows, k), u, k, rows, k);
        const right = product(vt, transpose(vt, k, columns), k, columns, k);
        assert.ok(largestDifference(left, identity(k)) < 1e-13);
        assert.ok(largestDifference(right, identity(k)) < 1e-13);
        values.forEach((value, i) => {
          assert.ok(value >= 0 && value <= (values[i - 1] ?? Number.POSITIVE_INFINITY));
        });
        const row = vt.subarray(0, columns);
        assert.ok(row.some((value) => value === largest(row)));
      }
      const bad = Float64Array.of(1, 2, Number.NaN, 4);
      await assert.rejects(linalg.svd(bad, 2, 2), /entry \[1, 0\] of the matrix is NaN/);
    });

    test('qr', async () => {
      for (const [rows, columns] of [
        [40, 25],
        [25, 40],
        [9, 9],
        [1, 1],
      ] as const) {
        const k = Math.min(rows, columns);
        const a = randomValues(rows * columns, 8);
        const { q, r } = await linalg.qr(a, rows, columns);
        assert.ok(largestDifference(product(q, r, rows, k, columns), a) < 1e-13);
        assert.ok(
          largestDifference(product(transpose(q, rows, k), q, k, rows, k), identity(k)) < 1e-13,
        );
        for (let i = 0; i < k; i++) {
          assert.ok((r[i * columns + i] ?? -1) >= 0);
          assert.ok(r.subarray(i * columns, i * columns + i).every((value) => value === 0));
        }
      }
    });

    test('svd and qr of rank-deficient matrices', async () => {
      const [rows, columns, rank] = [30, 20, 4];
      const a = product(
        randomValues(rows * rank, 1),
        randomValues(rank * columns, 2),
        rows,
        rank,
        columns,
      );
      const { u, values, vt } = await linalg.svd(a, rows, columns);
      assert.ok(largest(values.subarray(rank)) < 1e-13 * (values[0] ?? 0));
      assert.ok((values[rank - 1] ?? 0) > 1e-2 * (values[0] ?? 0));
      const left = product(transpose(u, rows, columns), u, columns, rows, columns);
      const right = product(vt, transpose(vt, columns, columns), columns, columns, columns);
      assert.ok(largestDifference(left, identity(columns)) < 1e-12);
      assert.ok(largestDifference(right, identity(columns)) < 1e-12);
      const { q, r } = await linalg.qr(a, rows, columns);
      assert.ok(largestDifference(product(q, r, rows, columns, columns), a) < 1e-13);
      const gram = product(transpose(q, rows, columns), q, columns, rows, columns);
      assert.ok(largestDifference(gram, identity(columns)) < 1e-12);
      const zero = await linalg.svd(new Float64Array(6), 3, 2);
      assert.deepEqual(zero.values, new Float64Array(2));
    });

    test('the event loop goes on during an eigendecomposition', async () => {
      const n = name === 'lapack' ? 800 : 400;
      const matrix = randomSymmetric(n, 1);
      let ticks = 0;
      const timer = setInterval(() => ticks++, 1);
      const start = performance.now();
      await linalg.eigh(matrix, n);
      const elapsed = performance.now() - start;
      clearInterval(timer);
      // Checks and copies block for a few milliseconds; the rest must not.
      assert.ok(ticks >= 5, `${ticks} ticks in ${elapsed} ms`);
    });
  });
}

const both = Object.values(opened).filter((backend) => typeof backend !== 'string');

test('the backends agree', {
  skip: both.length === 2 ? false : String(opened.lapack),
}, async () => {
  const n = 90;
  const matrix = randomSymmetric(n, 6);
  const [a, b] = await Promise.all(both.map((backend) => backend.eigh(matrix, n)));
  assert.ok(a !== undefined && b !== undefined);
  assert.ok(largestDifference(a.values, b.values) < 1e-12);
  assert.ok(largestDifference(a.vectors, b.vectors) < 1e-10);
  const rectangle = randomValues(20 * 30, 6);
  const [s, t] = await Promise.all(both.map((backend) => backend.svd(rectangle, 20, 30)));
  assert.ok(s !== undefined && t !== undefined);
  assert.ok(largestDifference(s.values, t.values) < 1e-13);
  assert.ok(largestDifference(s.vt, t.vt) < 1e-11);
  assert.ok(largestDifference(s.u, t.u) < 1e-11);
  const [q, p] = await Promise.all(both.map((backend) => backend.qr(rectangle, 20, 30)));
  assert.ok(q !== undefined && p !== undefined);
  assert.ok(largestDifference(q.r, p.r) < 1e-12);
});
