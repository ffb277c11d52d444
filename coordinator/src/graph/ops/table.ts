// The op table: one rule per op of the standard domain.
import { ACTIVATION_RULES } from './activation-rules.js';
import { BLOCK_RULES } from './block-rules.js';
import { CONSTANT_RULES } from './constant-rules.js';
import { ELEMENTWISE_RULES } from './elementwise-rules.js';
import { INDEX_RULES } from './index-rules.js';
import { NETWORK_RULES } from './network-rules.js';
import { NORMALIZATION_RULES } from './normalization-rules.js';
import type { OpRule } from './op-rule.js';
import { REDUCTION_RULES } from './reduction-rules.js';
import { SHAPE_RULES } from './shape-rules.js';
import { TRIGONOMETRIC_RULES } from './trigonometric-rules.js';

/** Each family of ops has its own list, in a file beside this one. */
const RULES: readonly OpRule[] = [
  ...NETWORK_RULES,
  ...NORMALIZATION_RULES,
  ...ELEMENTWISE_RULES,
  ...ACTIVATION_RULES,
  ...TRIGONOMETRIC_RULES,
  ...SHAPE_RULES,
  ...BLOCK_RULES,
  ...INDEX_RULES,
  ...REDUCTION_RULES,
  ...CONSTANT_RULES,
];

const BY_NAME: ReadonlyMap<string, OpRule> = new Map(RULES.map((rule) => [rule.op, rule]));

/** The rule of `op`, undefined for an op outside the table. */
export function opRule(op: string): OpRule | undefined {
  return BY_NAME.get(op);
}

/** All rules, in the table's order. */
export function opRules(): readonly OpRule[] {
  return RULES;
}
