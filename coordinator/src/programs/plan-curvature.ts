// Plans the programs that multiply vectors by the exact block of one layer.
import type { Layer } from '../layers/index.js';
import type { BuiltProgram } from './built-program.js';
import { chooseBatch, type DataRun } from './choose-batch.js';
import { buildCurvaturePrograms } from './curvature.js';
import { blockDim, columnCount, type FactorOptions } from './factor-options.js';
import { bytesPerSample, outputBytes, productBytesPerSample } from './memory.js';
import type { OpenedModel } from './open-model.js';

/**
 * Vectors that one product multiplies at once. Iterations in small blocks need fewer products in
 * all (LeNet5's 256 -> 120 layer, 10 pairs: 30 by 2, 44 by 4, 64 by 8, 112 by 16), those in large
 * ones less work beside them, which counts where many pairs are wanted.
 */
function vectorsAtATime(top: number): number {
  if (top <= 16) return 2;
  return top <= 64 ? 8 : 16;
}

/**
 * Positions of all samples together with which products are fastest: below, matrix products are too
 * thin (LeNet5's 256 -> 120 layer, per vector: 3.4 ms by 128, 2.5 by 256, 2.4 by 512), far above,
 * they leave the cache (its second convolution: 11.5 ms by 2048, 13.8 by 8192, 18.3 by 32768).
 */
const BEST_ROWS = 256;
const FEWEST_SAMPLES = 32;

export interface CurvaturePlan {
  readonly layer: Layer;
  /** The block is dim x dim. */
  readonly dim: number;
  readonly batch: number;
  /** What is captured of all samples. */
  readonly capturedBytes: number;
  readonly capture: BuiltProgram;
  readonly product: BuiltProgram;
  /** For the last, partial batch; absent where batches come out even or are padded. */
  readonly tailCapture: BuiltProgram | undefined;
  readonly tailProduct: BuiltProgram | undefined;
}

/**
 * @param top eigenpairs that are wanted
 * @throws BadInputError when the batch contradicts the model's
 */
export async function planCurvature(
  model: OpenedModel,
  layer: Layer,
  options: FactorOptions,
  run: DataRun,
  top: number,
): Promise<CurvaturePlan> {
  const dim = blockDim(layer, options);
  const vectors = Math.min(vectorsAtATime(top), dim);
  const columns = columnCount(options, model.logits.outputs);
  const captureOptions = { ...options, exact: undefined };
  const batch = await chooseBatch(
    model,
    run,
    async (probe) =>
      Math.max(
        bytesPerSample(await model.at(probe), probe, [layer], columns, captureOptions),
        productBytesPerSample(layer, columns, options, vectors),
      ),
    Math.max(FEWEST_SAMPLES, BEST_ROWS / layer.positions),
  );
  const padded = model.fixedBatch !== undefined;
  const build = async (size: number) =>
    buildCurvaturePrograms({
      graph: await model.at(size),
      batch: size,
      places: model.places,
      logits: model.logits.value,
      options: captureOptions,
      layer,
      padded,
      vectors,
    });
  const full = await build(batch);
  const rest = padded ? 0 : run.samples % batch;
  const tail = rest === 0 ? undefined : await build(rest);
  return {
    layer,
    dim,
    batch,
    capturedBytes: Math.ceil(run.samples / batch) * outputBytes(full.capture),
    ...full,
    tailCapture: tail?.capture,
    tailProduct: tail?.product,
  };
}
