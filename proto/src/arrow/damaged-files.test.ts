// However a file is damaged, it is read or refused by name: never a crash, never an endless loop.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KronlensError } from '../errors/kronlens-error.js';
import { encodeBundle } from './bundle-layout.js';
import { decodeMatrixFile, encodeMatrixFile } from './matrix-file.js';
import { decodeTable, encodeTable, STRUCTURE } from './tables.js';
import { decodeBundle } from './tensor-bundle.js';

fc.configureGlobal({ seed: 20 });

const KINDS = {
  'malformed-matrix-file': {
    bytes: encodeMatrixFile({
      layer: 'conv1',
      what: 'input autocorrelation',
      normalisation: 'mean over samples',
      rows: 3,
      columns: 2,
      values: new Float64Array(6).fill(1.5),
    }),
    decode: decodeMatrixFile,
  },
  'malformed-table': {
    bytes: encodeTable(STRUCTURE, [
      { layer: 'conv1', measure: 'trace', k: null, value: 1 },
      { layer: 'conv1', measure: 'overlap', k: 3, value: 2 },
    ]),
    decode: (bytes: Uint8Array) => decodeTable(STRUCTURE, bytes),
  },
  'malformed-bundle': {
    bytes: encodeBundle([
      { name: 'a', shape: [2, 3], symmetric: false, values: new Float64Array(6).fill(2) },
      { name: 'b', shape: [2, 2], symmetric: true, values: new Float64Array(3).fill(3) },
    ]),
    decode: decodeBundle,
  },
};

/** Whether the bytes were refused; any error but the format's own fails the test. */
function refused(code: string, decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): boolean {
  try {
    decode(bytes);
    return false;
  } catch (error) {
    if (error instanceof KronlensError && error.code === code) return true;
    throw error;
  }
}

for (const [code, { bytes, decode }] of Object.entries(KINDS)) {
  test(`${code}: any byte changed`, () => {
    let count = 0;
    for (let at = 0; at < bytes.length; at++) {
      for (const mask of [1, 0x80, 0xff]) {
        const damaged = bytes.slice();
        damaged[at] = (damaged[at] ?? 0) ^ mask;
        if (refused(code, decode, damaged)) count += 1;
      }
    }
    assert.ok(count > bytes.length / 2, `${count} of ${3 * bytes.length} refused`);
  });

  test(`${code}: several bytes changed`, () => {
    const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 2, maxLength: 12 }), (changes) => {
        const damaged = bytes.slice();
        for (const [at, value] of changes) damaged[at] = value;
        refused(code, decode, damaged);
      }),
      { numRuns: 2000 },
    );
  });

  test(`${code}: a piece taken out or put in`, () => {
    fc.assert(
      fc.property(fc.nat(bytes.length), fc.nat(64), fc.uint8Array(), (at, length, piece) => {
        const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + length)];
        refused(code, decode, Buffer.concat([before, piece, after]));
      }),
      { numRuns: 1000 },
    );
  });
}
