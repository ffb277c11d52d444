// Collects a layer's eigenvalues as its decompositions come in, and makes its rows and its summary.
import type { SpectrumRow, StructureRow } from '@kronlens/proto';
import type { Layer } from '../layers/index.js';
import type { ExactSummary, ExplainedSummary, LayerSummary } from '../report/summary.js';
import { alignment, type Eigenpairs, spectralRatio, topEigenvector } from './eigenpairs.js';
import { operatorName } from './factor-files.js';
import { type FactorSpectra, kroneckerSpectrum } from './kronecker-spectrum.js';

/** The eigenvalues found of a layer's exact block, largest first. */
export interface ExactSpectrum {
  readonly values: ArrayLike<number>;
  /** |H v - lambda v| of each pair; undefined where the decomposition is exact to rounding. */
  readonly residuals?: ArrayLike<number>;
  readonly converged?: readonly boolean[];
}

/** What is known of one block. */
interface Block {
  input?: Float64Array;
  output?: Float64Array;
  topInput?: Float64Array;
  /** The direction of E[x]; of E[X], its first left singular vector. */
  mean: Float64Array | undefined;
}

const average = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
};

/** The two largest of several descending lists. */
function topTwo(lists: readonly (Float64Array | undefined)[]): [number | null, number | null] {
  const heads = lists.flatMap((list) => Array.from(list?.subarray(0, 2) ?? []));
  heads.sort((a, b) => b - a);
  return [heads[0] ?? null, heads[1] ?? null];
}

export class LayerSpectra {
  readonly layer: Layer;
  readonly #blocks: Block[];
  readonly #measures: StructureRow[] = [];
  #exact: ExactSpectrum | undefined;
  #hessian: ExactSpectrum | undefined;
  #difference: number | undefined;
  #norm: number | undefined;
  #ekfac: Float64Array | undefined;

  /** @param means E[x] of each group; undefined where the direction comes from a mean Gram matrix */
  constructor(layer: Layer, means: readonly (Float64Array | undefined)[]) {
    this.layer = layer;
    this.#blocks = Array.from({ length: layer.groups }, (_, group) => ({ mean: means[group] }));
  }

  /** Keeps the eigenvalues, and of the vectors only what the measures need. */
  add(group: number, operator: 'input' | 'output' | 'mean_gram', pairs: Eigenpairs): void {
    const block = this.#blocks[group];
    if (block === undefined) throw new Error(`layer '${this.layer.name}' has no group ${group}`);
    if (operator === 'mean_gram') {
      // A zero matrix has no direction, whatever its eigenvectors say.
      if ((pairs.values[0] ?? 0) > 0) block.mean = topEigenvector(pairs);
      return;
    }
    block[operator] = pairs.values.slice();
    if (operator === 'input') block.topInput = topEigenvector(pairs);
  }

  /** A diagonal input factor: its eigenvalues are its entries, largest first. */
  addDiagonalInput(group: number, diagonal: Float64Array): void {
    const block = this.#blocks[group];
    if (block === undefined) throw new Error(`layer '${this.layer.name}' has no group ${group}`);
    block.input = diagonal.slice().sort((a, b) => b - a);
  }

  /** The top eigenvalues of the exact block. */
  addExact(exact: ExactSpectrum): void {
    this.#exact = exact;
  }

  /** The eigenvalues found of the true Hessian's block; by default those of the exact block. */
  addHessian(hessian = this.#exact): void {
    this.#hessian = hessian;
  }

  /** Rows of structure.arrow that a structure task found. */
  addRows(rows: readonly StructureRow[]): void {
    this.#measures.push(...rows);
  }

  /** A measure of structure.arrow that is not about the factors alone; null is left out. */
  addMeasure(measure: string, value: number | null, k: number | null = null): void {
    if (value !== null) this.#measures.push({ layer: this.layer.name, measure, k, value });
  }

  /** ||H||_F of the exact block, where it is formed. */
  addFrobeniusNorm(norm: number): void {
    this.#norm = norm;
  }

  /** The diagonal of the exact block in the Kronecker eigenbasis, in any order. */
  addEkfac(diagonal: Float64Array): void {
    this.#ekfac = diagonal.slice().sort((a, b) => b - a);
  }

  /**
   * ||H - H_ekfac||_F / ||H||_F: what lies off the diagonal in the Kronecker eigenbasis; null where
   * ||H||_F is not known or 0. A root of a difference of float32 sums: below 1e-3 it is rounding.
   */
  get #ekfacError(): number | null {
    if (this.#ekfac === undefined || !this.#norm) return null;
    const diagonal = this.#ekfac.reduce((sum, value) => sum + value * value, 0);
    return Math.sqrt(Math.max(0, 1 - diagonal / this.#norm ** 2));
  }

  /** ||H - K||_2, K the Kronecker product of the factors. */
  addDifferenceNorm(norm: number): void {
    this.#difference = norm;
  }

  /** lambda_1 of the exact block; null where it was not asked for or is 0. */
  get largestExact(): number | null {
    const largest = this.#exact?.values[0] ?? 0;
    return largest > 0 ? largest : null;
  }

  /** lambda_1 / lambda_2 of E[x x^T], the mean over groups. */
  get spectralRatio(): number | null {
    return average(this.#blocks.map(({ input }) => (input ? spectralRatio(input) : null)));
  }

  /** (v_1 . E[x] / ||E[x]||)^2, the mean over groups. */
  get meanAlignment(): number | null {
    return average(
      this.#blocks.map(({ topInput, mean }) =>
        topInput && mean ? alignment(topInput, mean) : null,
      ),
    );
  }

  /** Eigenvalues of both factors of every group; undefined before all are decomposed. */
  get factorSpectra(): readonly FactorSpectra[] | undefined {
    const blocks = this.#blocks.flatMap(({ input, output }) =>
      input && output ? [{ input, output }] : [],
    );
    return blocks.length < this.#blocks.length ? undefined : blocks;
  }

  /** The largest eigenvalues of E[M] (x) E[x x^T]; none before both factors are decomposed. */
  #kronecker(top: number): readonly number[] {
    return kroneckerSpectrum(this.factorSpectra ?? [], top).map(({ value }) => value);
  }

  /**
   * Rows of spectra.arrow: all eigenvalues of the factors, the `top` largest of their product, and those
   * found of the exact block.
   */
  spectrumRows(top: number, exactOperator = 'ggn'): SpectrumRow[] {
    const { name, groups } = this.layer;
    const rows = (operator: string, values: ArrayLike<number>, exact?: ExactSpectrum) =>
      Array.from(
        values,
        (eigenvalue, index): SpectrumRow => ({
          layer: name,
          operator,
          index,
          eigenvalue,
          residual: exact?.residuals?.[index] ?? null,
          converged: exact?.converged?.[index] ?? true,
        }),
      );
    const factors = this.#blocks.flatMap(({ input, output }, group) => [
      ...rows(operatorName(groups, group, 'input'), input ?? []),
      ...rows(operatorName(groups, group, 'output'), output ?? []),
    ]);
    const exact = this.#exact;
    return [
      ...factors,
      ...rows('kron', this.#kronecker(top)),
      ...(exact === undefined ? [] : rows(exactOperator, exact.values, exact)),
      ...(this.#hessian === undefined ? [] : rows('hessian', this.#hessian.values, this.#hessian)),
      ...rows('ekfac', this.#ekfac?.subarray(0, top) ?? []),
    ];
  }

  /** Rows of structure.arrow. A measure that is not defined has no row. */
  structureRows(): StructureRow[] {
    const largest = this.largestExact;
    const error =
      largest === null || this.#difference === undefined ? null : this.#difference / largest;
    const measures = [
      ['mean_alignment', this.meanAlignment],
      ['spectral_ratio', this.spectralRatio],
      ['decoupling_error_spectral', error],
      ['decoupling_error_frobenius_ekfac', this.#ekfacError],
    ] as const;
    const own = measures.flatMap(([measure, value]) =>
      value === null ? [] : [{ layer: this.layer.name, measure, k: null, value }],
    );
    return [...own, ...this.#measures];
  }

  get #explained(): ExplainedSummary {
    const find = (measure: string) =>
      this.#measures.find((row) => row.measure === measure)?.value ?? null;
    return {
      heuristic: find('heuristic_overlap'),
      outputShare: find('class_mean_share_output'),
      blockShare: find('class_mean_share_ggn'),
    };
  }

  #exactSummary(outliers: number): ExactSummary | null {
    if (this.#exact === undefined) return null;
    const rows = this.structureRows();
    const find = (measure: string, k: number | null = null) =>
      rows.find((row) => row.measure === measure && row.k === k)?.value ?? null;
    const ranks = rows
      .filter(({ measure, k }) => measure === 'matricised_rank_ratio' && (k ?? 0) <= outliers)
      .map(({ value }) => value);
    return {
      largest: this.largestExact,
      outliers,
      overlap: find('eigenspace_overlap', outliers),
      rankRatio: average(ranks),
      spectralError: find('decoupling_error_spectral'),
      frobeniusError: find('decoupling_error_frobenius'),
    };
  }

  /** @param outliers rank of the loss's Hessian in the logits */
  summary(outliers: number): LayerSummary {
    const { name, outDim, inDim, groups } = this.layer;
    return {
      layer: name,
      outDim,
      inDim,
      groups,
      input: topTwo(this.#blocks.map(({ input }) => input)),
      output: topTwo(this.#blocks.map(({ output }) => output)),
      spectralRatio: this.spectralRatio,
      meanAlignment: this.meanAlignment,
      kronecker: this.#kronecker(1)[0] ?? null,
      exact: this.#exactSummary(outliers),
      explained: this.#explained,
    };
  }
}
