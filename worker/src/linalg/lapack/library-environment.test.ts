// The environment in which a BLAS library is loaded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { libraryEnvironment, withEnvironment } from './library-environment.js';

const AVX512 = new Set(['avx2', 'avx512f', 'avx512cd', 'avx512bw', 'avx512dq', 'avx512vl']);
const AVX2 = new Set(['avx2', 'avx512f']);

test('every library gets one thread', () => {
  const environment = libraryEnvironment('/usr/lib/libmkl_rt.so', AVX2);
  assert.equal(environment.OPENBLAS_NUM_THREADS, '1');
  assert.equal(environment.OMP_NUM_THREADS, '1');
});

test('an OpenBLAS before 0.3.22 is told of AVX-512', () => {
  const coreType = (path: string, flags: ReadonlySet<string>) =>
    libraryEnvironment(path, flags).OPENBLAS_CORETYPE;
  assert.equal(coreType('/lib/libopenblasp-r0.3.21.so', AVX512), 'SKYLAKEX');
  assert.equal(coreType('/lib/openblas-pthread/libopenblas-r0.2.20.so', AVX512), 'SKYLAKEX');
  assert.equal(coreType('/lib/libopenblasp-r0.3.21.so', AVX2), undefined);
  assert.equal(coreType('/lib/libopenblasp-r0.3.22.so', AVX512), undefined);
  assert.equal(coreType('/lib/libopenblasp-r1.0.0.so', AVX512), undefined);
  assert.equal(coreType('/lib/libopenblas.so.0', AVX512), undefined);
});

test('the environment is put back, and a core type of the user stays', () => {
  const before = { ...process.env };
  process.env.OPENBLAS_CORETYPE = 'ZEN';
  process.env.OMP_NUM_THREADS = '7';
  delete process.env.MKL_NUM_THREADS;
  try {
    const variables = { OPENBLAS_CORETYPE: 'SKYLAKEX', OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };
    const seen = withEnvironment(variables, () => ({ ...process.env }));
    assert.equal(seen.OPENBLAS_CORETYPE, 'ZEN');
    assert.equal(seen.OMP_NUM_THREADS, '1');
    assert.equal(seen.MKL_NUM_THREADS, '1');
    assert.equal(process.env.OMP_NUM_THREADS, '7');
    assert.equal(process.env.MKL_NUM_THREADS, undefined);
    assert.throws(() =>
      withEnvironment(variables, () => {
        throw new Error('not loadable');
      }),
    );
    assert.equal(process.env.OMP_NUM_THREADS, '7');
  } finally {
    process.env = before;
  }
});
