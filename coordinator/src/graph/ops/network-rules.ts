// The rules of a network's layers proper: contractions, pooling, normalisation, softmax.
import { conv } from './conv.js';
import { convTranspose } from './conv-transpose.js';
import { gemm } from './gemm.js';
import { matMul } from './mat-mul.js';
import type { OpRule } from './op-rule.js';

/** Contractions, pooling, normalisation and softmax, in the table's order. */
export const NETWORK_RULES: readonly OpRule[] = [gemm, matMul, conv, convTranspose];
