// Takes one node test through everything that an analysed model goes through, and says what becomes of it.
import { decodeModel } from '../../graph/codec/decode-model.js';
import { ModelError } from '../../graph/codec/model-error.js';
import { type Graph, type ShapedGraph, typeOf } from '../../graph/graph.js';
import { UnsupportedFormError } from '../../graph/ops/op-rule.js';
import { canonicalise } from '../../graph/passes/canonicalise.js';
import { UnsupportedOpError } from '../../graph/reverse.js';
import { specialise } from '../../graph/specialise.js';
import { tensorNumbers } from '../../graph/tensor.js';
import { openSession, ortEvaluator } from '../ort-evaluator.js';
import { isFloat, withBoundInputs } from './bind-inputs.js';
import { compareDerivatives } from './derivatives.js';
import type { NodeTest } from './node-test.js';
import { messageOf, runOnce, type Values } from './run-graph.js';
import { type Width, widened, widenedTensor } from './widen.js';

/**
 * - `supported`: the stored outputs are reproduced and the VJPs match finite differences;
 * - `refused`: there is a reason why the model, or its derivative, is not taken;
 * - `not-runnable`: ONNX Runtime does not get the stored outputs out of the model as it is either;
 * - `failing`: anything else.
 */
export type Outcome = 'supported' | 'refused' | 'not-runnable' | 'failing';

export interface Verdict {
  readonly test: string;
  readonly op: string;
  readonly outcome: Outcome;
  /** One sentence for all outcomes but `supported`. */
  readonly reason?: string;
  /** Inputs whose VJP was compared with finite differences. */
  readonly differentiated: number;
  /** Elements of these inputs that were left out as kinks. */
  readonly kinks: number;
  /** The precision in which the derivatives were compared. */
  readonly width?: Width;
}

/** Whether the test has floating-point tensors among its inputs or outputs. */
export function isFloatingPoint({ types }: NodeTest): boolean {
  return types.some((type) => ['float32', 'float64', 'float16', 'bfloat16'].includes(type));
}

export async function judge(test: NodeTest): Promise<Verdict> {
  const verdict = (outcome: Outcome, reason: string): Verdict => ({
    test: test.name,
    op: test.op,
    outcome,
    reason: reason.replaceAll(test.name, 'the model'),
    differentiated: 0,
    kinks: 0,
  });
  try {
    const graph = decodeModel(test.model, test.name);
    const { inputs, outputs } = test.data();
    const canonical = canonicalise(withBoundInputs(graph, inputs));
    const problem = await reproduction(canonical, inputs, outputs);
    const original = problem === undefined ? undefined : await originalProblem(test);
    if (problem !== undefined && original === undefined) return verdict('failing', problem);
    const point = await pointOf(canonical, inputs);
    // What ONNX Runtime cannot execute in the stored type may still be right in another.
    if (
      original !== undefined &&
      (point === undefined || compared(point.outputs, outputs) !== undefined)
    )
      return verdict('not-runnable', original);
    if (point === undefined) return verdict('failing', 'it runs in no other precision');
    const { problems, brokenInside, ...counts } = await compareDerivatives(test.name, point);
    if (brokenInside)
      return verdict('refused', 'a value inside is not finite, and neither is the derivative');
    const { width } = point;
    if (problems.length > 0)
      return { ...verdict('failing', problems.join('; ')), ...counts, width };
    return { test: test.name, op: test.op, outcome: 'supported', ...counts, width };
  } catch (cause) {
    if (
      cause instanceof UnsupportedOpError ||
      cause instanceof UnsupportedFormError ||
      cause instanceof ModelError
    )
      return verdict('refused', cause.message);
    throw cause;
  }
}

/** What differs between the stored outputs and those of the rewritten graph, in the stored types. */
async function reproduction(
  canonical: Graph,
  inputs: Values,
  outputs: Values,
): Promise<string | undefined> {
  try {
    const shaped = await shapedGraph(canonical, inputs);
    return compared(await runOnce(shaped, inputs), outputs);
  } catch (cause) {
    return messageOf(cause);
  }
}

/** Ops whose float64 kernels compute in float32. */
const SINGLE_INSIDE: ReadonlySet<string> = new Set(['Shrink']);

/** The graph in the widest precision for which ONNX Runtime has all kernels. */
async function pointOf(canonical: Graph, stored: Values) {
  const single = canonical.nodes.some(({ op }) => SINGLE_INSIDE.has(op));
  for (const width of single ? (['float32'] as const) : (['float64', 'float32'] as const)) {
    const inputs = new Map([...stored].map(([name, value]) => [name, widenedTensor(value, width)]));
    try {
      const shaped = await shapedGraph(widened(canonical, width), inputs);
      const narrow = shaped.nodes.some((node) =>
        node.outputs.some((value) => {
          const dtype = value === '' ? width : typeOf(shaped, value).dtype;
          return isFloat(dtype) && dtype !== width;
        }),
      );
      if (narrow) continue;
      return { width, shaped, inputs, outputs: await runOnce(shaped, inputs) };
    } catch {}
  }
  return undefined;
}

async function shapedGraph(graph: Graph, inputs: Values): Promise<ShapedGraph> {
  const shapes = new Map(graph.inputs.map(({ name }) => [name, inputs.get(name)?.shape ?? []]));
  return await specialise(graph, shapes, ortEvaluator);
}

/** Why ONNX Runtime does not get the stored outputs out of the model as it is; undefined if it does. */
async function originalProblem(test: NodeTest): Promise<string | undefined> {
  const { inputs, outputs } = test.data();
  try {
    const session = await openSession(test.model);
    try {
      return compared(await session.run(inputs, test.outputNames), outputs);
    } finally {
      await session.release();
    }
  } catch (cause) {
    return messageOf(cause);
  }
}

/** Relative tolerances where the stored outputs are of low precision. */
const RELATIVE: Readonly<Record<string, number>> = { float16: 2e-3, bfloat16: 2e-2 };

/** What differs, one sentence; infinities must be equal, as must be the places of NaN. */
function compared(actual: Values, expected: Values): string | undefined {
  for (const [name, wanted] of expected) {
    const got = actual.get(name);
    if (got === undefined) return `output ${name} is missing`;
    if (String(got.shape) !== String(wanted.shape))
      return `output ${name} is [${got.shape}], not [${wanted.shape}]`;
    if (wanted.dtype === 'string') continue;
    const relative = RELATIVE[wanted.dtype] ?? 1e-3;
    const [a, b] = [tensorNumbers(got), tensorNumbers(wanted)];
    const most = b.reduce((max, v) => (Number.isFinite(v) ? Math.max(max, Math.abs(v)) : max), 0);
    const bad = b.findIndex((value, index) => {
      const other = a[index] ?? Number.NaN;
      if (!Number.isFinite(value)) return !Object.is(value, other);
      return !(Math.abs(value - other) <= 1e-7 + 1e-6 * most + relative * Math.abs(value));
    });
    if (bad >= 0) return `output ${name}[${bad}] is ${a[bad]}, not ${b[bad]}`;
  }
  return undefined;
}
