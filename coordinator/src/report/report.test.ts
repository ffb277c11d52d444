import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockTable } from './block-table.js';
import { renderLayers } from './layer-table.js';
import { formatDuration, formatNumber } from './number-format.js';
import { type ExplainedSummary, type LayerSummary, renderSummary } from './summary.js';
import { textTable } from './text-table.js';

test('numbers keep four significant digits', () => {
  const shown = [12.3456, 0.00123456, 1.23456e-7, -123456, 0, null, 1].map(formatNumber);
  assert.deepEqual(shown, ['12.35', '0.001235', '1.235e-7', '-1.235e5', '0', '-', '1.000']);
});

test('durations choose their unit', () => {
  assert.deepEqual([12, 1234, 59_960, 65_000, 3_600_000, 7_380_000].map(formatDuration), [
    '12 ms',
    '1.2 s',
    '1 min 00 s',
    '1 min 05 s',
    '1 h 00 min',
    '2 h 03 min',
  ]);
});

test('tables align their columns and bottom-align their titles', () => {
  const lines = textTable(
    [
      { title: 'name', align: 'left' },
      { title: 'a\nb', align: 'right' },
    ],
    [
      ['x', '1'],
      ['long one', '22.5'],
    ],
  );
  assert.deepEqual(lines, ['             a', 'name         b', 'x            1', 'long one  22.5']);
});

const lenet = [
  ['conv1', 6, 25],
  ['conv2', 16, 150],
  ['fc1', 120, 256],
  ['fc2', 84, 120],
  ['fc3', 10, 84],
] as const;

test('the summary of a LeNet fits into 100 columns', () => {
  const lines = renderSummary({
    model: 'lenet.onnx',
    out: 'out/lenet',
    samples: 60_000,
    lossName: 'cross-entropy',
    loss: 0.012345,
    accuracy: 0.98765,
    elapsedMs: 12_345,
    layers: lenet.map(([layer, outDim, inDim]) => ({
      layer,
      outDim,
      inDim,
      groups: 1,
      input: [1.23456e-5, 1.23456e-7],
      output: [1.23456e-5, null],
      spectralRatio: 123.456,
      meanAlignment: 0.98765,
      kronecker: 1.23456e-9,
      exact: null,
    })),
    skipped: [{ name: 'rnn', reason: 'LSTM is not supported' }],
    notes: [],
    warnings: ['mind the gap'],
  });
  for (const line of lines) assert.ok(line.length <= 100, `${line.length}: ${line}`);
  assert.deepEqual(lines.slice(0, 3), [
    '                 E[xx^T]                        mean      E[M]            Kronecker',
    'layer  shape    lambda_1  lambda_2  ratio  alignment  lambda_1  lambda_2   lambda_1',
    'conv1  6x25     1.235e-5  1.235e-7  123.5     0.9877  1.235e-5         -   1.235e-9',
  ]);
  assert.deepEqual(lines.slice(-4), [
    'skipped rnn: LSTM is not supported',
    'warning: mind the gap',
    'lenet.onnx: 60,000 samples, cross-entropy 0.01235, accuracy 98.77%, 12.3 s',
    'results in out/lenet',
  ]);
});

test('blocks of parameters are listed with each of their operators', () => {
  const ggn = { operator: 'ggn', largest: 2, last: 0, trace: 3, frobenius: null };
  const hessian = { operator: 'hessian', largest: 2.5, last: -1, trace: 1.5, frobenius: 2.75 };
  assert.deepEqual(blockTable([]), []);
  assert.deepEqual(blockTable([{ block: 'fc.bias', parameters: 1200, operators: [ggn] }]), [
    '',
    '                        exact',
    'block    parameters  lambda_1  trace  Frobenius',
    'fc.bias       1,200     2.000  3.000          -',
  ]);
  assert.deepEqual(
    blockTable([{ block: 'b', parameters: 9, operators: [ggn, hessian] }]).slice(1),
    [
      '                      exact                     Hessian',
      'block  parameters  lambda_1  trace  Frobenius  lambda_1    last  trace  Frobenius',
      'b               9     2.000  3.000          -     2.500  -1.000  1.500      2.750',
    ],
  );
});

test('layers are listed with what is skipped', () => {
  const lines = renderLayers({
    layers: [
      {
        name: 'conv1',
        op: 'Conv',
        weight: 'conv1.weight',
        outDim: 4,
        inDim: 9,
        groups: 2,
        positions: 576,
        params: 72,
        bias: undefined,
        piecewiseLinear: true,
        uses: [],
      },
    ],
    skipped: [{ name: 'rnn', op: 'LSTM', reason: 'its op has no derivative rule' }],
    unsupported: [],
  });
  assert.deepEqual(lines, [
    '                                                             piecewise',
    'layer  op    weight        shape    positions  params  bias  linear     uses',
    'conv1  Conv  conv1.weight  2x(4x9)        576      72  -     yes           0',
    '',
    "skipped LSTM 'rnn': its op has no derivative rule",
    '1 layer, 72 weights',
  ]);
});

test('the summary shows what weights behind and class means explain, where that is known', () => {
  const layer = (name: string, explained: ExplainedSummary): LayerSummary => ({
    layer: name,
    outDim: 2,
    inDim: 3,
    groups: 1,
    input: [1, null],
    output: [1, null],
    spectralRatio: null,
    meanAlignment: null,
    kronecker: null,
    exact: null,
    explained,
  });
  const none = { heuristic: null, outputShare: null, blockShare: null };
  const lines = renderSummary({
    model: 'm.onnx',
    out: 'out',
    samples: 1,
    lossName: 'mse',
    loss: null,
    accuracy: null,
    elapsedMs: 1,
    layers: [layer('conv', none), layer('fc', { ...none, heuristic: 0.75 })],
    skipped: [],
    warnings: [],
    notes: [],
  });
  const text = lines.join('\n');
  assert.match(text, /heuristic\n *layer +overlap\nfc +0\.750$/m);
  assert.doesNotMatch(text, /class means/);
});
