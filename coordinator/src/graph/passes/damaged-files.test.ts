// Whatever happens to a file's bytes, reading it either works or ends in an error that is the file's.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { decodeModel } from '../codec/decode-model.js';
import { ModelError } from '../codec/model-error.js';
import { canonicalise } from './canonicalise.js';

const folder = fileURLToPath(new URL('../../../fixtures/exports/', import.meta.url));

for (const form of ['torchscript9', 'functions17', 'external20']) {
  it(`reads or refuses ${form}.onnx with any bytes changed`, () => {
    const whole = readFileSync(`${folder}${form}.onnx`);
    const damage = fc.array(
      fc.record({ at: fc.nat(whole.byteLength - 1), byte: fc.integer({ min: 0, max: 255 }) }),
      { minLength: 1, maxLength: 4 },
    );
    let refused = 0;
    fc.assert(
      fc.property(damage, (changes) => {
        const bytes = Uint8Array.from(whole);
        for (const { at, byte } of changes) bytes[at] = byte;
        try {
          canonicalise(decodeModel(bytes, `${form}.onnx`, folder));
        } catch (error) {
          assert.ok(error instanceof ModelError, String(error));
          refused++;
        }
      }),
      { numRuns: 400, seed: 1 },
    );
    assert.ok(refused > 20, `only ${refused} were refused`);
  });
}
