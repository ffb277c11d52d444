// From merged sums to the factors' files, and to the matrices that later stages decompose.
import { decodeBundle } from '@kronlens/proto';
import { isEmbedding, type Layer } from '../../layers/index.js';
import { type LayerFiles, writeFactorFiles } from '../../merge/factor-files.js';
import { packedFrobenius } from '../../merge/kronecker-difference.js';
import {
  type ExactBlock,
  encodeLayerFactors,
  factorName,
  type LayerFactors,
  layerFactors,
  meanMatrix,
  totalOf,
} from '../../merge/layer-factors.js';
import { LayerSpectra } from '../../merge/layer-spectra.js';
import { evaluateMeanGrams } from '../../merge/mean-gram.js';
import { blockDim, type FactorPlan, planMeanGram } from '../../programs/index.js';
import type { EigenJob } from '../eigen-stage.js';
import type { MergedSums } from '../factor-stage.js';
import type { AnalysisWork } from './analysis-work.js';

/**
 * Writes the factors and lays the matrices to decompose by; one program's sums are in memory.
 * @param refine may replace the factors of a layer before they are written
 */
export async function takeFactors(
  work: AnalysisWork,
  merged: readonly MergedSums[],
  folds: FactorPlan['folds'],
  refine: (layer: Layer, factors: LayerFactors) => Promise<LayerFactors>,
): Promise<void> {
  const { layers, data, factorOptions } = work.run;
  const { stems } = work;
  for (const { layers: names, outputs, bundle } of merged) {
    const sums = decodeBundle(await work.engine.store.get(bundle));
    takeLoss(work, sums, outputs);
    for (const layer of layers.filter(({ name }) => names.includes(name))) {
      const stem = stems.get(layer.name) ?? layer.name;
      const files = { folder: work.folder, layer, stem, options: factorOptions };
      const plain = layerFactors(layer, sums, outputs, data.samples, folds.get(layer.name));
      const factors = isEmbedding(layer) ? plain : await refine(layer, plain);
      if (work.measures('factors')) await writeFactorFiles(files, factors);
      await layBy(work, files, factors);
    }
  }
}

/** All programs sum what the logits tell; the first that has it is taken. */
function takeLoss(
  { run, findings }: AnalysisWork,
  sums: ReturnType<typeof decodeBundle>,
  outputs: MergedSums['outputs'],
): void {
  const { samples } = run.data;
  findings.loss ??= meanOf(totalOf(sums, outputs, 'loss'), samples);
  const tokens = findings.tokens ?? totalOf(sums, outputs, 'tokens');
  if (tokens !== undefined) findings.tokens = tokens;
  const answers = tokens ?? samples;
  findings.accuracy ??= answers === 0 ? null : meanOf(totalOf(sums, outputs, 'correct'), answers);
  const hessian = findings.hessian ?? meanMatrix(sums, outputs, 'loss_hessian', samples);
  if (hessian !== undefined) findings.hessian = hessian;
}

function meanOf(sum: number | undefined, samples: number): number | null {
  return sum === undefined ? null : sum / samples;
}

async function layBy(work: AnalysisWork, files: LayerFiles, factors: LayerFactors): Promise<void> {
  const { layer, options } = files;
  const { engine } = work;
  const [eigen, structure] = [work.measures('eigen'), work.measures('structure')];
  const exact = work.measures('curvature');
  const gram =
    structure && factors.meanMaps.length > 0
      ? await planMeanGram(work.run.model, layer, options)
      : undefined;
  const means = factors.groups.map(({ mean }) => (gram === undefined ? mean.values : undefined));
  const spectra = new LayerSpectra(layer, means);
  if (!eigen && !structure && !exact && !work.options.ekfac) {
    work.layers.set(layer.name, { files, spectra, eigenpairs: new Map() });
    return;
  }
  const meanGrams =
    gram === undefined ? [] : await evaluateMeanGrams(gram, factors.meanMaps, engine.evaluator);
  const bundle = await engine.store.put(encodeLayerFactors(factors, meanGrams));
  work.layers.set(layer.name, { files, spectra, eigenpairs: new Map(), factors: bundle });
  if (isEmbedding(layer) && (exact || structure || work.options.ekfac))
    work.notes.push(
      `layer '${layer.name}' is an embedding: its factors are measured, its exact block and EKFAC are not; --block '${layer.tiedTo ?? layer.name}.weight' measures the block`,
    );
  for (const [group, { input, output }] of factors.groups.entries()) {
    const add = (operator: EigenJob['operator'], size = 0) => {
      const tensor = factorName(operator, group);
      work.matrices.push({ layer: layer.name, group, operator, bundle, tensor, size });
    };
    if (isEmbedding(layer)) spectra.addDiagonalInput(group, input.values);
    else add('input', input.shape[0]);
    add('output', output.shape[0]);
    if (meanGrams.length > 0) add('mean_gram', meanGrams[group]?.shape[0]);
  }
  if (factors.exact === undefined) return;
  const [{ top }, dim] = [work.options, blockDim(layer, options)];
  if (top > dim)
    work.notes.push(
      `layer '${layer.name}' has ${dim} eigenpairs in all, which are given; --top ${top} asks for more`,
    );
  layByExact(work, layer, bundle, factors.exact);
}

/** The exact block: decomposed whole where it was formed, else by products with vectors. */
function layByExact(
  work: AnalysisWork,
  layer: Layer,
  bundle: string,
  { trace, dense, difference }: ExactBlock,
): void {
  const { spectra } = work.layer(layer.name);
  spectra.addMeasure('trace', trace);
  if (dense === undefined || difference === undefined) {
    work.blocks.push({ layer, factors: bundle });
    return;
  }
  const norm = packedFrobenius(dense);
  spectra.addFrobeniusNorm(norm);
  spectra.addMeasure(
    'decoupling_error_frobenius',
    norm === 0 ? null : packedFrobenius(difference) / norm,
  );
  for (const operator of ['ggn', 'ggn_difference'] as const) {
    const size = dense.shape[0] ?? 0;
    work.matrices.push({ layer: layer.name, group: 0, operator, bundle, tensor: operator, size });
  }
}
