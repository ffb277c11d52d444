// What is said of linear algebra, with and without a LAPACK.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { createLinearAlgebra } from './create-linear-algebra.js';
import { examineLinearAlgebra } from './examine.js';

test('the library in use is named', async () => {
  const linalg = await createLinearAlgebra('auto');
  const { ok, detail, fix } = await examineLinearAlgebra();
  assert.equal(ok, linalg.warning === undefined);
  assert.equal(fix === undefined, ok);
  if (linalg.name === 'lapack') assert.equal(detail, linalg.library);
  await linalg.close();
});

test('without a library the row says what to do', () => {
  const script = `
    const { examineLinearAlgebra } = await import(${JSON.stringify(new URL('./examine.js', import.meta.url).href)});
    console.log(JSON.stringify(await examineLinearAlgebra()));`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, KRONLENS_BLAS: '/nowhere/libopenblas.so' },
    encoding: 'utf8',
  });
  const { ok, detail, fix } = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal(ok, false);
  assert.match(String(detail), /KRONLENS_BLAS='\/nowhere\/libopenblas.so' is no usable LAPACK/);
  assert.match(String(fix), /KRONLENS_BLAS/);
});
