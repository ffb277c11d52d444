// A layer on its way from sums to files: what is known of it so far, and where its bundles are.
import { isEmbedding } from '../layers/index.js';
import { type DensityMass, quadratureMasses } from '../merge/density-rows.js';
import { rootOfQuotient } from '../merge/estimate.js';
import type { LayerFiles } from '../merge/factor-files.js';
import { factorName } from '../merge/layer-factors.js';
import type { LayerSpectra } from '../merge/layer-spectra.js';
import type { SecondOrder } from '../programs/index.js';
import type { TopEigenpairs } from './curvature-stage.js';
import type { AnalysisOptions } from './options.js';
import type { StructureJob } from './structure-stage.js';

export interface LayerWork {
  readonly files: LayerFiles;
  readonly spectra: LayerSpectra;
  /** Content ids: of the factors, of the eigenpairs by operator and group, of the exact eigenpairs. */
  factors?: string;
  readonly eigenpairs: Map<string, string>;
  exact?: string;
  /** The spectral density of the exact block. */
  density?: readonly DensityMass[];
  hessianDensity?: readonly DensityMass[];
  /** Of the Hessian's eigenpairs, where they are not those of the exact block. */
  hessian?: string;
}

/** The exact block's name in spectra.arrow and in file names. */
export function exactOperator({ curvature }: AnalysisOptions): string {
  return curvature === 'hessian' ? 'ggn' : curvature;
}

/** What second derivatives of blocks are of, with the names that files have for it. */
export function secondOrders(
  options: AnalysisOptions,
): readonly { readonly kind: SecondOrder; readonly operator: string }[] {
  const exact = { kind: 'ggn', operator: exactOperator(options) } as const;
  if (options.curvature !== 'hessian') return [exact];
  return [exact, { kind: 'hessian', operator: 'hessian' }];
}

/** Takes what products with vectors tell of the Hessian's block. */
export function takeHessian(
  work: LayerWork,
  pairs: TopEigenpairs,
  which: AnalysisOptions['which'],
): void {
  const { spectra } = work;
  const { trace, frobenius, differenceNorm, differenceFrobenius, values } = pairs;
  work.hessian = pairs.bundle;
  if (pairs.density !== undefined) work.hessianDensity = quadratureMasses(pairs.density);
  spectra.addHessian(pairs);
  spectra.addMeasure('trace_hessian', trace?.value ?? null);
  spectra.addMeasure('trace_hessian_standard_error', trace?.standardError || null);
  const norm = Math.max(Math.abs(values[0] ?? 0), Math.abs(values.at(-1) ?? 0));
  // The largest eigenvalues alone do not tell the norm.
  if (differenceNorm !== undefined && norm > 0 && which !== 'algebraic')
    spectra.addMeasure('decoupling_error_spectral_hessian', differenceNorm / norm);
  const error = frobenius && differenceFrobenius && rootOfQuotient(differenceFrobenius, frobenius);
  spectra.addMeasure('decoupling_error_frobenius_hessian', error?.value ?? null);
  const deviation = error?.standardError || null;
  spectra.addMeasure('decoupling_error_frobenius_hessian_standard_error', deviation);
}

/** Takes what products with vectors tell of the exact block. */
export function takeTopEigenpairs(work: LayerWork, pairs: TopEigenpairs): void {
  const { spectra } = work;
  const { bundle, differenceNorm, frobenius, differenceFrobenius } = pairs;
  work.exact = bundle;
  spectra.addExact(pairs);
  if (pairs.density !== undefined) work.density = quadratureMasses(pairs.density);
  if (differenceNorm !== undefined) spectra.addDifferenceNorm(differenceNorm);
  if (frobenius !== undefined) spectra.addFrobeniusNorm(Math.sqrt(Math.max(0, frobenius.value)));
  const error = frobenius && differenceFrobenius && rootOfQuotient(differenceFrobenius, frobenius);
  spectra.addMeasure('decoupling_error_frobenius', error?.value ?? null);
  spectra.addMeasure('decoupling_error_frobenius_standard_error', error?.standardError ?? null);
}

/** What a structure task needs; undefined before both factors of every group are decomposed. */
export function structureJob(work: LayerWork, exact = work.exact): StructureJob | undefined {
  const { spectra, factors, eigenpairs } = work;
  if (isEmbedding(spectra.layer)) return undefined;
  const { factorSpectra } = spectra;
  if (factors === undefined || factorSpectra === undefined) return undefined;
  const bundleOf = (operator: string, group: number) =>
    eigenpairs.get(factorName(operator, group)) ?? '';
  const groups = factorSpectra.map((values, group) => ({
    spectra: values,
    input: bundleOf('input', group),
    output: bundleOf('output', group),
  }));
  return { layer: spectra.layer.name, factors, groups, exact };
}
