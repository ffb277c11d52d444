// The composite ops: those that are rewritten into standard ops with rules before anything else is done.
import { RUNTIME_ACTIVATIONS, STANDARD_ACTIVATIONS } from './activations.js';
import { STANDARD_ATTENTION } from './attention.js';
import { STANDARD_COMPRESS } from './compress.js';
import { STANDARD_EINSUM } from './einsum.js';
import { RUNTIME_ATTENTION } from './fused-attention.js';
import { RUNTIME_PRODUCTS } from './fused-products.js';
import { STANDARD_LOSSES } from './losses.js';
import type { Decomposition } from './node-writer.js';
import { RUNTIME_NORMALIZATIONS, STANDARD_NORMALIZATIONS } from './normalizations.js';
import { STANDARD_ROTARY } from './rotary-embedding.js';

/** Ops of the standard domain; ONNX Runtime writes some of its own into it. */
const STANDARD: ReadonlyMap<string, Decomposition> = new Map([
  ...STANDARD_NORMALIZATIONS,
  ...STANDARD_ACTIVATIONS,
  ...STANDARD_ATTENTION,
  ...STANDARD_ROTARY,
  ...STANDARD_EINSUM,
  ...STANDARD_LOSSES,
  ...STANDARD_COMPRESS,
]);

/** ONNX Runtime's own domain, which files that it has optimised use. */
const RUNTIME: ReadonlyMap<string, Decomposition> = new Map([
  ...RUNTIME_NORMALIZATIONS,
  ...RUNTIME_ACTIVATIONS,
  ...RUNTIME_PRODUCTS,
  ...RUNTIME_ATTENTION,
]);

/** How a composite op is rewritten; undefined for any other op. */
export function decomposition(domain: string, op: string): Decomposition | undefined {
  if (domain === '') return STANDARD.get(op);
  return domain === 'com.microsoft' ? RUNTIME.get(op) : undefined;
}

/** The names of all composite ops, with their domain in front where it is not the standard one. */
export function compositeOps(): readonly string[] {
  return [...STANDARD.keys(), ...[...RUNTIME.keys()].map((op) => `com.microsoft.${op}`)];
}
