// Where libraries are looked for, on machines that this one is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLibraries, type Place } from './find-library.js';

function place(files: readonly string[], changes: Partial<Place> = {}): Place {
  return {
    platform: 'linux',
    arch: 'x64',
    env: {},
    exists: (path) => files.includes(path),
    ...changes,
  };
}

test('the library that the user names is the only one', () => {
  const wanted = place(['/usr/lib/x86_64-linux-gnu/libopenblas.so.0'], {
    env: { KRONLENS_BLAS: '/opt/mkl/libmkl_rt.so' },
  });
  assert.deepEqual(findLibraries(wanted), ['/opt/mkl/libmkl_rt.so']);
});

test('OpenBLAS comes before any other LAPACK, and the loader is asked too', () => {
  const folder = '/usr/lib/x86_64-linux-gnu';
  const found = findLibraries(
    place([`${folder}/liblapack.so.3`, `${folder}/libopenblas.so.0`, '/usr/lib64/libopenblas.so']),
  );
  assert.deepEqual(found, [
    `${folder}/libopenblas.so.0`,
    '/usr/lib64/libopenblas.so',
    'libopenblas.so.0',
    'libopenblas.so.3',
    `${folder}/liblapack.so.3`,
    'liblapack.so.3',
  ]);
});

test('the folders of Debian on other processors, of Fedora, Alpine, conda and the user', () => {
  for (const [file, changes] of [
    ['/usr/lib/aarch64-linux-gnu/libopenblas.so.0', { arch: 'arm64' }],
    ['/usr/lib/x86_64-linux-gnu/openblas-serial/libopenblas.so.0', {}],
    ['/usr/lib64/libopenblasp.so.0', {}],
    ['/usr/lib/libopenblas.so.3', {}],
    ['/conda/lib/libopenblas.so.0', { env: { CONDA_PREFIX: '/conda' } }],
    ['/mine/libopenblas.so.0', { env: { LD_LIBRARY_PATH: ':relative:/mine' } }],
  ] as const) {
    assert.equal(findLibraries(place([file], changes))[0], file);
  }
});

test('macOS has Accelerate, and perhaps OpenBLAS', () => {
  const brew = '/opt/homebrew/opt/openblas/lib/libopenblas.dylib';
  const found = findLibraries(place([brew], { platform: 'darwin', arch: 'arm64' }));
  assert.match(found[0] ?? '', /Accelerate$/);
  assert.deepEqual(found.slice(1), [brew]);
});
