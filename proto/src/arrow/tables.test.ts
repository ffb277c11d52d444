// Tables: rows with nulls and wide integers, bytes, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { contentId } from '../store/artifact-store.js';
import {
  decodeTable,
  encodeTable,
  LAYERS,
  type LayerRow,
  MalformedTableError,
  MEAN_OVERLAP,
  OVERLAP,
  PREDICTION,
  SPECTRA,
  STRUCTURE,
  type StructureRow,
  TRAJECTORY,
} from './tables.js';

fc.configureGlobal({ seed: 20 });

const LAYER: LayerRow = {
  layer: 'conv1',
  op: 'Conv',
  weight: 'conv1.weight',
  out_dim: 6,
  in_dim: 25,
  groups: 1,
  positions: 576,
  params: 156,
  bias: 'conv1.bias',
  piecewise_linear: true,
};

const structureRow: fc.Arbitrary<StructureRow> = fc.record(
  {
    layer: fc.string({ unit: 'grapheme' }),
    measure: fc.string(),
    k: fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    value: fc.double(),
  },
  { noNullPrototype: true },
);

test('any rows come back, nulls and none at all included', () => {
  fc.assert(
    fc.property(fc.array(structureRow, { maxLength: 20 }), (rows) => {
      assert.deepEqual(decodeTable(STRUCTURE, encodeTable(STRUCTURE, rows)), rows);
    }),
  );
});

test('layers come back with 64-bit counts and a missing bias', () => {
  const rows = [
    LAYER,
    { ...LAYER, layer: 'fc', bias: null, params: 2 ** 40, piecewise_linear: false },
  ];
  assert.deepEqual(decodeTable(LAYERS, encodeTable(LAYERS, rows)), rows);
});

test('spectra come back with exact and estimated eigenvalues', () => {
  const row = { layer: 'fc', operator: 'input', index: 0, eigenvalue: 2.5, residual: null };
  const rows = [
    { ...row, converged: true },
    { ...row, index: 1, residual: 1e-9, converged: false },
  ];
  assert.deepEqual(decodeTable(SPECTRA, encodeTable(SPECTRA, rows)), rows);
});

test('columns have the promised types, also with no rows and with nothing but nulls', () => {
  const types = (rows: StructureRow[]) =>
    tableFromIPC(encodeTable(STRUCTURE, rows)).schema.fields.map(
      ({ name, type, nullable }) => `${name}: ${type}${nullable ? '?' : ''}`,
    );
  const promised = ['layer: Utf8', 'measure: Utf8', 'k: Int32?', 'value: Float64'];
  assert.deepEqual(types([]), promised);
  assert.deepEqual(types([{ layer: 'a', measure: 'trace', k: null, value: 1 }]), promised);
});

test('the same rows give the same bytes', () => {
  assert.deepEqual(encodeTable(LAYERS, [{ ...LAYER }]), encodeTable(LAYERS, [LAYER]));
  assert.equal(
    contentId(encodeTable(LAYERS, [LAYER])),
    '216d7047d0048272f93f52fd5f5296c5d12136bb727dc129a7aa70b6d9683796',
  );
});

test('a missing value and an integer that does not fit are refused when writing', () => {
  const row: StructureRow = { layer: 'a', measure: 'trace', k: 1, value: 1 };
  const write = (changes: object) => encodeTable(STRUCTURE, [row, { ...row, ...changes }]);
  assert.throws(() => write({ value: undefined }), {
    message: "table 'structure', row 1: column 'value' has no value",
  });
  for (const k of [2 ** 31, 1.5, Number.NaN]) {
    assert.throws(() => write({ k }), {
      message: `table 'structure', row 1: column 'k' cannot hold ${k}`,
    });
  }
  assert.throws(() => encodeTable(LAYERS, [{ ...LAYER, params: 0.5 }]), {
    message: "table 'layers', row 0: column 'params' cannot hold 0.5",
  });
});

test('another table, a column of another type and no table at all are refused by name', () => {
  const structure = encodeTable(STRUCTURE, []);
  assert.throws(() => decodeTable(LAYERS, structure), {
    name: 'MalformedTableError',
    message: "this is no 'layers' table: column 'op' is missing",
    badInput: true,
  });
  const [layer, measure, k] = STRUCTURE.arrow.fields;
  const wide = {
    name: 'structure',
    arrow: SPECTRA.arrow.select(['layer', 'operator', 'index', 'eigenvalue']),
  };
  assert.ok(layer && measure && k);
  assert.throws(() => decodeTable(wide, structure), MalformedTableError);
  const retyped = { name: 'retyped', arrow: LAYERS.arrow.select(['params', 'bias']) };
  assert.throws(
    () => decodeTable({ ...SPECTRA, arrow: retyped.arrow }, encodeTable(SPECTRA, [])),
    MalformedTableError,
  );
  for (const junk of [new Uint8Array(0), new Uint8Array(64), new TextEncoder().encode('no table')])
    assert.throws(() => decodeTable(STRUCTURE, junk), MalformedTableError);
});

test('a file that is cut anywhere is refused by name or read whole', () => {
  const rows = [{ layer: 'a', measure: 'trace', k: null, value: 1 }];
  const bytes = encodeTable(STRUCTURE, rows);
  for (let length = 0; length < bytes.length; length++) {
    try {
      assert.deepEqual(decodeTable(STRUCTURE, bytes.slice(0, length)), rows, `${length} bytes`);
    } catch (error) {
      assert.ok(error instanceof MalformedTableError, `${length} bytes: ${error}`);
    }
  }
});

test('the tables of a comparison come back, nulls included', () => {
  const overlap = { run_a: 'a', run_b: 'b', layer: 'fc', operator: 'kron', k: 3, overlap: 0.25 };
  assert.deepEqual(decodeTable(OVERLAP, encodeTable(OVERLAP, [overlap])), [overlap]);
  const mean = { layer: 'fc', operator: 'kron', k: 3, pairs: 1, mean: 0.25, baseline: 0.01 };
  const means = [
    { ...mean, standard_deviation: null, predicted: 0.5 },
    { ...mean, standard_deviation: 0.1, predicted: null },
  ];
  assert.deepEqual(decodeTable(MEAN_OVERLAP, encodeTable(MEAN_OVERLAP, means)), means);
  const prediction = { run_a: 'a', run_b: 'b', layer: 'fc', peak_k: 8, height: 0.5, holds: true };
  assert.deepEqual(decodeTable(PREDICTION, encodeTable(PREDICTION, [prediction])), [prediction]);
  const steps = [
    { step: 0, run: 'a', layer: null, measure: 'loss', operator: null, k: null, value: 2 },
    { step: 1, run: 'b', layer: 'fc', measure: 'eigenvalue', operator: 'ggn', k: 1, value: 3 },
  ];
  assert.deepEqual(decodeTable(TRAJECTORY, encodeTable(TRAJECTORY, steps)), steps);
});
