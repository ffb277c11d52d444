// Reads and checks the programs of a curvature task: what a pool thread needs to multiply by its operator.
import {
  type ArtifactStore,
  type CurvatureTask,
  create,
  type DataArray,
  decodeProgram,
  InputRole,
  KronlensError,
  type Program,
  ProgramTaskSchema,
  Reduction,
} from '@kronlens/proto';
import type { OperatorPart } from '../curvature/operator-job.js';
import { capturedBytes, type WholeOperator } from '../curvature/operator-shares.js';
import type { ArrayLayout } from '../data/array-layout.js';
import { cutRuns, layOut, neededArrays } from './program.js';

/** A curvature task asks for what cannot be, or its parts do not fit together. */
export class CurvatureTaskError extends KronlensError {
  constructor({ layer }: CurvatureTask, reason: string) {
    super('bad-curvature-task', `cannot measure the curvature of layer '${layer}': ${reason}`, {
      details: { layer },
    });
  }
}

/** An operator whose data are still to be laid out. */
export interface PreparedOperator {
  readonly arrays: readonly DataArray[];
  readonly dim: number;
  /** Vectors in one execution of the product. */
  readonly vectors: number;
  whole(layouts: readonly ArrayLayout[]): WholeOperator;
}

const sameShape = (a: readonly bigint[], b: readonly bigint[]): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/**
 * Reads the programs of a task's operator.
 * @throws CurvatureTaskError, BadInputError when the data do not fit
 */
export async function prepareOperator(
  task: CurvatureTask,
  store: Pick<ArtifactStore, 'get'>,
): Promise<PreparedOperator> {
  const { operator } = task;
  if (operator === undefined) throw new CurvatureTaskError(task, 'the task has no operator');
  const { capture, tailCapture, arrays, seed } = operator;
  const full = decodeProgram(await store.get(operator.product));
  const tail =
    operator.tailProduct === '' ? full : decodeProgram(await store.get(operator.tailProduct));
  // Without a capture program the product itself reads the data.
  const program = capture === '' ? operator.product : capture;
  const tailProgram = capture === '' ? operator.tailProduct : tailCapture;
  const data = create(ProgramTaskSchema, {
    program,
    tailProgram,
    arrays,
    samples: operator.samples,
    seed,
    batchCount: BigInt(Math.ceil(Number(operator.samples) / Math.max(1, full.batch))),
  });
  const runs = await cutRuns(data, store);
  const parts = runs.map(({ program, firstSample, samples }): OperatorPart => {
    const product = program.batch === full.batch ? full : tail;
    return { capture: capture === '' ? undefined : program, product, firstSample, samples };
  });
  const { probe, output } = requireProduct(task, full);
  for (const part of parts) requireFit(task, part, full);
  const needed = new Set([
    ...neededArrays(runs, data),
    ...neededArrays(
      parts.map((part) => ({ ...part, program: part.product })),
      data,
    ),
  ]);
  const [vectors = 0, ...entries] = probe.shape.map(Number);
  const dim = entries.reduce((size, entry) => size * entry, 1);
  const memoryBytes = Number(task.memoryBytes);
  return {
    arrays: [...needed],
    dim,
    vectors,
    whole: (layouts) => ({
      job: {
        what: `the products of layer '${task.layer}'`,
        arrays: layOut([...needed], layouts),
        seed,
        parts,
        firstBatch: 0,
        probe: probe.name,
        output,
        vectors,
        dim,
        keep: capturedBytes(parts) <= memoryBytes,
      },
      samples: Number(operator.samples),
      memoryBytes,
    }),
  };
}

/** The input and the output of a product program. */
function requireProduct(task: CurvatureTask, product: Program) {
  const [probe, ...others] = product.inputs.filter(({ role }) => role === InputRole.PROBE);
  const [output, ...more] = product.outputs;
  if (probe === undefined || output === undefined || others.length + more.length > 0) {
    throw new CurvatureTaskError(
      task,
      `program '${product.name}' must have one input of vectors and one output`,
    );
  }
  if (output.reduction !== Reduction.SUM || !sameShape(probe.shape, output.shape)) {
    throw new CurvatureTaskError(
      task,
      `output '${output.name}' of program '${product.name}' must be a sum of the shape of '${probe.name}'`,
    );
  }
  if (output.shape.includes(0n)) throw new CurvatureTaskError(task, 'its vectors have no entries');
  return { probe, output };
}

/** A part's product must take what its capture program yields, and multiply as the full one does. */
function requireFit(task: CurvatureTask, { capture, product }: OperatorPart, full: Program): void {
  const [theirs, ours] = [requireProduct(task, product), requireProduct(task, full)];
  if (
    theirs.probe.name !== ours.probe.name ||
    theirs.output.name !== ours.output.name ||
    !sameShape(theirs.probe.shape, ours.probe.shape)
  ) {
    throw new CurvatureTaskError(task, `its products differ: '${full.name}', '${product.name}'`);
  }
  if (capture !== undefined && capture.batch !== product.batch) {
    throw new CurvatureTaskError(
      task,
      `program '${capture.name}' is for batches of ${capture.batch}, '${product.name}' for ${product.batch}`,
    );
  }
  for (const input of product.inputs.filter(({ role }) => role === InputRole.CAPTURED)) {
    const rows = capture?.outputs.find(({ name }) => name === input.name);
    if (rows?.reduction !== Reduction.PER_SAMPLE || !sameShape(rows.shape, input.shape)) {
      throw new CurvatureTaskError(
        task,
        `program '${product.name}' takes rows '${input.name}' [${input.shape}], which nothing captures`,
      );
    }
  }
}
