// The choice of a backend, in processes of their own, since a library is loaded once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { createLinearAlgebra } from './create-linear-algebra.js';
import { howToInstall } from './how-to-install.js';

const here = new URL('./create-linear-algebra.js', import.meta.url).href;

/** What a fresh process says of a choice under the environment. */
function choose(choice: string, env: Record<string, string>) {
  const script = `
    const { createLinearAlgebra } = await import(${JSON.stringify(here)});
    try {
      const { name, library, warning } = await createLinearAlgebra(${JSON.stringify(choice)});
      console.log(JSON.stringify({ name, library, warning }));
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

test('auto finds some backend and says which; the portable one comes with a way out', async () => {
  const { name, library, warning } = choose('auto', { KRONLENS_BLAS: '' });
  assert.ok(name === 'lapack' || name === 'portable');
  assert.match(String(library), /\d\.\d/);
  if (name === 'portable') assert.match(String(warning), /no LAPACK library was found/);
  const portable = await createLinearAlgebra('portable');
  assert.match(portable.library, /^ml-matrix 6\.\d+\.\d+/);
  assert.equal(portable.warning, undefined);
  await portable.close();
  assert.match(howToInstall('linux'), /apt-get install libopenblas0 .*KRONLENS_BLAS/);
});
