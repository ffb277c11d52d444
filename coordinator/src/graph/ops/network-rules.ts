// The rules of a network's layers proper: contractions, pooling, normalisation, softmax.
import { averagePool, globalAveragePool } from './average-pool.js';
import { batchNormalization } from './batch-normalization.js';
import { col2im } from './col2im.js';
import { conv } from './conv.js';
import { convTranspose } from './conv-transpose.js';
import { dropout } from './dropout.js';
import { gemm } from './gemm.js';
import { matMul } from './mat-mul.js';
import { globalMaxPool, maxPool } from './max-pool.js';
import type { OpRule } from './op-rule.js';
import { resize } from './resize.js';
import { logSoftmax, softmax } from './softmax.js';

/** Contractions, pooling, normalisation and softmax, in the table's order. */
export const NETWORK_RULES: readonly OpRule[] = [
  gemm,
  matMul,
  conv,
  convTranspose,
  col2im,
  maxPool,
  globalMaxPool,
  averagePool,
  globalAveragePool,
  batchNormalization,
  dropout,
  softmax,
  logSoftmax,
  resize,
];
