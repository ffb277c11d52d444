// Blocks between layers: one curvature task an operator estimates the Frobenius norms of all of them.
import {
  type CrossRow,
  CurvatureTaskSchema,
  create,
  decodeBundle,
  KronlensError,
  OperatorSchema,
  type TaskResult,
  TaskSchema,
} from '@kronlens/proto';
import type { ShapedGraph } from '../graph/index.js';
import type { Layer } from '../layers/index.js';
import { rootOf } from '../merge/estimate.js';
import {
  blockDim,
  type FactorOptions,
  layerProduct,
  planBlockProduct,
  type SecondOrder,
} from '../programs/index.js';
import { CODE_VERSION } from '../version.js';
import type { BlockStage } from './block-stage.js';
import type { Engine } from './engine.js';
import { artifactOf, storeProgram } from './factor-stage.js';
import { runTasks } from './run-tasks.js';
import type { StageProgress } from './stage-progress.js';

export interface CrossJob {
  readonly kind: SecondOrder;
  /** The operator's name in the file. */
  readonly operator: string;
}

/** Random vectors in each layer. */
const PROBES = 32;

/**
 * ||H_ab||_F for all pairs of layers, a layer with itself included.
 * @returns rows of cross.arrow: for each operator, layer by layer
 */
export async function runCrossStage(
  engine: Engine,
  stage: BlockStage,
  layers: readonly Layer[],
  options: FactorOptions,
  jobs: readonly CrossJob[],
  progress: StageProgress,
  seen: (result: TaskResult) => void,
): Promise<readonly CrossRow[]> {
  const sizes = layers.map((layer) => blockDim(layer, options));
  const dim = sizes.reduce((sum, size) => sum + size, 0);
  const rows: CrossRow[] = [];
  const products = (kind: SecondOrder) => layers.map((layer) => layerProduct(kind, layer, options));
  const task = async ({ kind, operator }: CrossJob) => {
    const { model, run, arrays } = stage;
    const all = products(kind);
    const whole = (graph: ShapedGraph) => all.flatMap(({ from }) => from(graph));
    const prepare = (graph: ShapedGraph) =>
      all.reduce((prepared, product) => product.prepare?.(prepared) ?? prepared, graph);
    const layer = `all layers (${operator})`;
    const what = { kind, options, layer, prepare, from: whole, to: whole };
    const plan = await planBlockProduct(model, what, run, engine.evaluator);
    const value = create(CurvatureTaskSchema, {
      layer: what.layer,
      operator: create(OperatorSchema, {
        product: await storeProgram(engine, plan.product),
        tailProduct:
          plan.tailProduct === undefined ? '' : await storeProgram(engine, plan.tailProduct),
        arrays: [...arrays],
        samples: BigInt(run.samples),
        seed: BigInt(stage.options.seed),
      }),
      memoryBytes: BigInt(Math.floor(run.memoryBytes)),
      segments: sizes.map(BigInt),
      segmentProbes: dim <= stage.options.dense ? 0 : PROBES,
    });
    return create(TaskSchema, { codeVersion: CODE_VERSION, kind: { case: 'curvature', value } });
  };
  const handle = async ({ operator }: CrossJob, result: TaskResult) => {
    const bundle = decodeBundle(await engine.store.get(artifactOf(result, 'curvature')));
    const entry = (name: string, at: number): number => {
      const value = bundle.get(name)?.values[at];
      if (value !== undefined) return value;
      throw new KronlensError('bad-task-result', `the norms between layers lack '${name}'`);
    };
    for (const [a, { name: layerA }] of layers.entries())
      for (const [b, { name: layerB }] of layers.entries()) {
        if (b < a) continue;
        const at = a * layers.length + b;
        const { value, standardError } = rootOf({
          value: entry('segment_frobenius', at),
          standardError: entry('segment_standard_error', at),
        });
        rows.push({
          layer_a: layerA,
          layer_b: layerB,
          operator,
          frobenius: value,
          standard_error: standardError,
        });
      }
  };
  await runTasks(engine, { jobs, task, handle }, progress, seen);
  return rows;
}
