// How many columns exact output Hessians take, and when that is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadInputError } from '@kronlens/proto';
import { checkColumns } from './check-columns.js';
import type { FactorOptions } from './factor-options.js';
import type { Logits } from './logits.js';

const logits = (outputs: number, tokens?: number): Logits => ({
  value: 'logits',
  outputs,
  tokens,
  note: undefined,
});

const options = (columns: FactorOptions['columns'], count?: number): FactorOptions => ({
  loss: 'cross-entropy',
  columns,
  sharing: 'expand',
  bias: 'separate',
  labels: false,
  tokens: count === undefined ? undefined : { count, reduction: 'mean', ignoreIndex: -100 },
});

test('ImageNet and short sequences of characters are exact', () => {
  checkColumns(options({ kind: 'exact' }), logits(1000));
  checkColumns(options({ kind: 'exact' }, 64), logits(65, 64));
  checkColumns(options({ kind: 'empirical' }, 4096), logits(50257, 4096));
});

test('a vocabulary is refused with the number of columns and what to do; draws are not', () => {
  assert.throws(
    () => checkColumns(options({ kind: 'exact' }, 128), logits(50257, 128)),
    (error: unknown) =>
      error instanceof BadInputError &&
      error.message ===
        '--output-hessian exact would take 6,432,768 backward passes a sample (128 tokens with 50,257 classes; at most 4,096); use --output-hessian sketch or mc, with --mc-samples for more accuracy',
  );
  assert.throws(
    () => checkColumns(options({ kind: 'exact' }), logits(30000)),
    /29,999 backward passes a sample \(30,000 outputs; at most 4,096\)/,
  );
  checkColumns(options({ kind: 'sketch', samples: 4 }, 128), logits(50257, 128));
  checkColumns(options({ kind: 'mc', samples: 4 }, 128), logits(50257, 128));
});
