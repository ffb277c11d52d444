import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULTS } from '../testing/analyse.js';
import type { AnalysisOptions } from './options.js';
import { difference, type RunIdentity, recordOptions } from './run-record.js';

const options: AnalysisOptions = { ...DEFAULTS, layers: ['fc*'], measures: ['factors'] };
const identity = (changes: Partial<AnalysisOptions> = {}, sha = 'a'): RunIdentity => ({
  version: '1',
  model: { path: 'm.onnx', sha256: 'm' },
  data: [{ name: 'x', path: 'd.npz', member: 'x', type: 'float32', shape: [5, 2], sha256: sha }],
  options: recordOptions({ ...options, ...changes }),
});
/** What a later process reads. */
const reread = (value: RunIdentity) => JSON.parse(JSON.stringify(value)) as RunIdentity;

test('the same run is the same after it has been written and read, wherever its files lie', () => {
  const moved = { ...identity(), model: { path: 'elsewhere.onnx', sha256: 'm' } };
  assert.equal(difference(reread(identity()), identity()), undefined);
  assert.equal(difference(reread(identity()), moved), undefined);
});

test('another run is told by its option, model or data', () => {
  const before = reread(identity());
  const differs = (changes: Partial<AnalysisOptions>) => difference(before, identity(changes));
  assert.equal(differs({ seed: 3 }), '--seed was 0, now it is 3');
  assert.equal(differs({ batch: 64 }), '--batch was automatic, now it is 64');
  assert.equal(differs({ layers: [] }), '--layers was fc*, now it is none');
  assert.equal(
    differs({ measures: ['factors', 'eigen'] }),
    '--measure was factors, now it is factors,eigen',
  );
  assert.equal(differs({ outputHessian: 'mc' }), '--output-hessian was exact, now it is mc');
  assert.match(
    String(difference(before, { ...identity(), model: { path: 'n.onnx', sha256: 'n' } })),
    /the model differs: n\.onnx is not the file/,
  );
  assert.match(String(difference(before, identity({}, 'b'))), /the data differ: d\.npz/);
  assert.match(String(difference(before, { ...identity(), version: '2' })), /version 1, this is 2/);
  const labelled = {
    ...identity(),
    data: [...identity().data, { ...identity().data[0], name: 'y' }],
  };
  assert.equal(
    difference(before, labelled as RunIdentity),
    "it reads the arrays 'x', now there are 'x', 'y'",
  );
});
