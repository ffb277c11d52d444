// The choice of a backend, in processes of their own, since a library is loaded once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { createLinearAlgebra } from './create-linear-algebra.js';
import { howToInstall } from './how-to-install.js';

const here = new URL('./create-linear-algebra.js', import.meta.url).href;

/** What a fresh process says of a choice under the environment, on this or another platform. */
function choose(choice: string, env: Record<string, string>, platform = process.platform) {
  const script = `
    const { createLinearAlgebra } = await import(${JSON.stringify(here)});
    Object.defineProperty(process, 'platform', { value: ${JSON.stringify(platform)} });
    try {
      const linalg = await createLinearAlgebra(${JSON.stringify(choice)});
      const { name, library, warning } = linalg;
      const { values } = await linalg.eigh(Float64Array.of(2, 1, 1, 2), 2);
      console.log(JSON.stringify({ name, library, warning, values: [...values].map(Math.round) }));
      await linalg.close();
    } catch ({ code, message, badInput }) {
      console.log(JSON.stringify({ code, message, badInput }));
    }`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { env: { ...process.env, ...env }, encoding: 'utf8' },
  );
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Record<string, unknown>;
}

test('a library that the user names and that is none is an error, whatever the choice', () => {
  for (const choice of ['auto', 'lapack']) {
    const { code, message, badInput } = choose(choice, { KRONLENS_BLAS: '/nowhere/libblas.so' });
    assert.equal(code, 'linear-algebra-missing');
    assert.equal(badInput, true);
    assert.match(String(message), /KRONLENS_BLAS='\/nowhere\/libblas.so' is no usable LAPACK/);
  }
  assert.equal(choose('portable', { KRONLENS_BLAS: '/nowhere/x.so' }).name, 'portable');
});

test('a library without LAPACK is refused', { skip: process.platform !== 'linux' }, () => {
  const { message } = choose('lapack', { KRONLENS_BLAS: 'libc.so.6' });
  assert.match(String(message), /libc\.so\.6 has no dsyevd/);
});

test('auto finds some backend and says which', () => {
  const { name, library, values } = choose('auto', { KRONLENS_BLAS: '' });
  assert.ok(name === 'lapack' || name === 'portable');
  assert.match(String(library), /\d\.\d/);
  assert.deepEqual(values, [3, 1]);
});

const elsewhere = process.platform === 'win32' ? 'needs a system other than Windows' : false;

test('without a LAPACK auto takes the portable backend, with a warning', {
  skip: elsewhere,
}, () => {
  // Libraries are looked for where Windows has them, and the loader of this system finds none.
  const { name, library, warning, values } = choose('auto', { KRONLENS_BLAS: '' }, 'win32');
  assert.equal(name, 'portable');
  assert.match(String(library), /^ml-matrix 6\.\d+\.\d+/);
  assert.match(String(warning), /no LAPACK library was found.*install OpenBLAS.*KRONLENS_BLAS/);
  assert.deepEqual(values, [3, 1]);
  const { code, message } = choose('lapack', { KRONLENS_BLAS: '' }, 'win32');
  assert.equal(code, 'linear-algebra-missing');
  assert.match(String(message), /no LAPACK library was found; install OpenBLAS/);
});

test('who asks for the portable backend is not warned', async () => {
  const portable = await createLinearAlgebra('portable');
  assert.equal(portable.warning, undefined);
  await portable.close();
  assert.match(howToInstall('linux'), /apt-get install libopenblas0 .*KRONLENS_BLAS/);
});
