// Plans the pass that finds the diagonal of the exact blocks in the Kronecker eigenbasis.
import type { Layer } from '../layers/index.js';
import type { ProgramPair } from './built-program.js';
import { chooseBatch, type DataRun } from './choose-batch.js';
import { buildEkfacProgram, type KroneckerBasis } from './ekfac.js';
import { blockDim, type FactorOptions } from './factor-options.js';
import { columnCount } from './loss.js';
import { bytesPerSample } from './memory.js';
import type { OpenedModel } from './open-model.js';

export interface EkfacPlan {
  readonly batch: number;
  /** A program of its own for each layer: the eigenvectors are part of it. */
  readonly program: ProgramPair;
}

/** @param basis eigenvectors of the factors, one pair a group */
export async function planEkfac(
  model: OpenedModel,
  layer: Layer,
  basis: readonly KroneckerBasis[],
  options: FactorOptions,
  run: DataRun,
): Promise<EkfacPlan> {
  const columns = columnCount(options.loss, options.columns, model.logits.outputs);
  // As much as forming the whole block's Jacobian takes, where there are several positions.
  const exact = {
    ...options,
    exact: { denseLimit: layer.positions > 1 ? blockDim(layer, options) : 0 },
  };
  const batch = await chooseBatch(model, run, async (probe) =>
    bytesPerSample(await model.at(probe), probe, [layer], columns, exact),
  );
  const padded = model.fixedBatch !== undefined;
  const build = async (size: number) =>
    buildEkfacProgram({
      graph: await model.at(size),
      batch: size,
      places: model.places,
      logits: model.logits.value,
      layers: [layer],
      options: { ...options, exact: undefined },
      bases: new Map([[layer.name, basis]]),
      padded,
      name: `ekfac ${layer.name}`,
    });
  const rest = padded ? 0 : run.samples % batch;
  const program = {
    layers: [layer.name],
    full: await build(batch),
    tail: rest === 0 ? undefined : await build(rest),
  };
  return { batch, program };
}
