// Differentiates the rewritten graph of a node test with respect to all its inputs, and compares with finite differences.
import { GraphBuilder } from '../../graph/builder.js';
import { encodeModel } from '../../graph/codec/encode-model.js';
import { elementCount, type ShapedGraph, type Tensor, typeOf } from '../../graph/graph.js';
import { pullBack } from '../../graph/reverse.js';
import { floatTensor, tensorNumbers } from '../../graph/tensor.js';
import { openSession } from '../ort-evaluator.js';
import { dot, uniforms } from '../random-frames.js';
import { isFloat } from './bind-inputs.js';
import { compareSlope } from './differences.js';
import { feedsOf, messageOf, runOnce, type Values } from './run-graph.js';
import type { Width } from './widen.js';

export interface Point {
  readonly shaped: ShapedGraph;
  /** All floating-point values have this width. */
  readonly width: Width;
  readonly inputs: Values;
  /** The outputs there. */
  readonly outputs: Values;
}

export interface Derivatives {
  /** Inputs whose VJP was compared with finite differences. */
  readonly differentiated: number;
  /** Elements of these inputs that were left out: kinks, jumps, and places without a finite value. */
  readonly kinks: number;
  /** What is wrong, one sentence each. */
  readonly problems: readonly string[];
  /** A value inside is not finite where the outputs are, and neither is the derivative. */
  readonly brokenInside?: true;
}

/**
 * <cotangent, outputs> for one seeded random cotangent, differentiated by our VJP.
 * @throws UnsupportedOpError, UnsupportedFormError, ModelError when the derivative is refused
 */
export async function compareDerivatives(name: string, point: Point): Promise<Derivatives> {
  const { shaped, width, inputs, outputs } = point;
  const random = uniforms(seedOf(name));
  const targets = shaped.inputs
    .map((input) => input.name)
    .filter((input) => elementCount(typeOf(shaped, input).shape) > 0);
  const computed = new Set(shaped.nodes.flatMap((node) => node.outputs));
  const cotangents = new Map<string, readonly number[]>();
  for (const output of new Set(shaped.outputs.map((value) => value.name))) {
    const value = outputs.get(output);
    if (value === undefined || !isFloat(value.dtype) || !computed.has(output)) continue;
    // Where the function has no finite value it has no derivative.
    const weights = tensorNumbers(value).map((y) => (Number.isFinite(y) ? 2 * random() - 1 : 0));
    cotangents.set(output, weights);
  }
  if (targets.length === 0 || cotangents.size === 0)
    return { differentiated: 0, kinks: 0, problems: [] };
  const builder = new GraphBuilder(shaped);
  const seeds = new Map(
    [...cotangents].map(([output, weights]) => {
      const shape = [1, ...typeOf(shaped, output).shape];
      return [output, builder.constant(floatTensor(weights, shape, width))];
    }),
  );
  const pulled = pullBack({ graph: shaped, builder, seeds, columns: 1, targets });
  const wanted = [...new Set(pulled.values())];
  const program = builder.build(
    wanted.map((value) => ({ name: value, dtype: width, shape: undefined })),
    [],
  );
  let gradients: Values;
  try {
    gradients = wanted.length === 0 ? new Map() : await runOnce(program, inputs);
  } catch (cause) {
    const problems = [`the VJP does not run: ${messageOf(cause)}`];
    return { differentiated: targets.length, kinks: 0, problems };
  }
  const gradientOf = (target: string) => {
    const gradient = gradients.get(pulled.get(target) ?? '');
    return gradient === undefined ? undefined : tensorNumbers(gradient);
  };
  const broken = targets.some((target) => gradientOf(target)?.some((g) => !Number.isFinite(g)));
  const finite = [...outputs.values()].every(hasFiniteValues);
  if (broken && finite && !(await finiteInside(shaped, inputs)))
    return { differentiated: 0, kinks: 0, problems: [], brokenInside: true };
  const session = await openSession(encodeModel(shaped, { untypedOutputs: true }));
  try {
    const scalar = async (at: Values) => {
      const there = await session.run(feedsOf(shaped, at), [...cotangents.keys()]);
      let sum = 0;
      for (const [output, weights] of cotangents) {
        const y = tensorNumbers(there.get(output) as Tensor);
        // Elements without a cotangent may be infinite.
        const part = y.map((value, index) => (weights[index] === 0 ? 0 : value));
        sum += dot(weights, part);
      }
      return sum;
    };
    let kinks = 0;
    const problems: string[] = [];
    for (const target of targets) {
      const options = { random, width, domainEnds: !finite };
      const found = await compareSlope(scalar, inputs, target, gradientOf(target), options);
      kinks += found.kinks;
      if (found.problem !== undefined) problems.push(found.problem);
    }
    return { differentiated: targets.length, kinks, problems };
  } finally {
    await session.release();
  }
}

function hasFiniteValues(value: Tensor): boolean {
  return !isFloat(value.dtype) || tensorNumbers(value).every(Number.isFinite);
}

/** Whether all values that the graph computes on the way are finite. */
async function finiteInside(shaped: ShapedGraph, inputs: Values): Promise<boolean> {
  const names = shaped.nodes.flatMap((node) => node.outputs.filter((value) => value !== ''));
  const outputs = names.map((name) => ({ name, dtype: 'float32' as const, shape: undefined }));
  const values = await runOnce({ ...shaped, outputs }, inputs);
  return [...values.values()].every(hasFiniteValues);
}

/** A seed from a name (FNV-1a). */
function seedOf(name: string): number {
  let hash = 2166136261;
  for (const char of name) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619);
  return hash;
}
