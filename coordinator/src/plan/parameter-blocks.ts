// Blocks of any parameters that the user asked for: their jobs, and what comes out of them.
import { join } from 'node:path';
import {
  BLOCKS,
  type BlockRow,
  type DensityRow,
  encodeMatrixFile,
  encodeTable,
  type SpectrumRow,
  type StructureRow,
  type TaskResult,
  writeFileAtomic,
} from '@kronlens/proto';
import { blockSummaries } from '../merge/block-summaries.js';
import { densityRows, exactMasses, quadratureMasses } from '../merge/density-rows.js';
import { rootOf } from '../merge/estimate.js';
import { type BlockProduct, blockSize, modelParameters } from '../programs/index.js';
import type { BlockSummary } from '../report/block-table.js';
import { type BlockJob, type BlockStage, runBlockStage } from './block-stage.js';
import type { NamedBlock } from './choose-blocks.js';
import type { TopEigenpairs } from './curvature-stage.js';
import type { Engine } from './engine.js';
import { secondOrders } from './layer-work.js';
import type { AnalysisOptions } from './options.js';
import type { PreparedRun } from './prepare-run.js';
import type { StageProgress } from './stage-progress.js';

interface NamedJob extends BlockJob {
  readonly block: NamedBlock;
  /** Its name in the files. */
  readonly operator: string;
}

/** The blocks of a run, under the names that files have for them. */
export class ParameterBlocks {
  readonly #run: PreparedRun;
  readonly #options: AnalysisOptions;
  readonly #folder: string;
  readonly #spectra: SpectrumRow[] = [];
  readonly #structure: StructureRow[] = [];
  readonly #density: DensityRow[] = [];
  readonly #rows: BlockRow[] = [];

  constructor(run: PreparedRun, options: AnalysisOptions, folder: string) {
    this.#run = run;
    this.#options = options;
    this.#folder = folder;
  }

  /** Blocks and operators that are to be measured. */
  get count(): number {
    return this.#run.blocks.length * secondOrders(this.#options).length;
  }

  /**
   * Measures all blocks and writes their eigenvectors.
   * @param stems of file names, by the name of a block
   */
  async measure(
    engine: Engine,
    stage: BlockStage,
    stems: ReadonlyMap<string, string>,
    progress: StageProgress,
    seen: (result: TaskResult) => void,
  ): Promise<void> {
    const jobs = await this.#jobs();
    await runBlockStage(engine, stage, jobs, progress, seen, async (job, pairs) => {
      this.#take(job, pairs);
      if (stage.density !== undefined) this.#takeDensity(job, pairs);
      const stem = stems.get(job.block.name) ?? job.block.name;
      await this.#writeEigenvectors(stem, job, pairs);
    });
    const order = this.#run.blocks.map(({ name }) => name);
    const byBlock = (a: { readonly layer: string }, b: { readonly layer: string }) =>
      order.indexOf(a.layer) - order.indexOf(b.layer);
    this.#spectra.sort(byBlock);
    this.#structure.sort(byBlock);
    this.#density.sort(byBlock);
  }

  async #jobs(): Promise<readonly NamedJob[]> {
    const { model, blocks, factorOptions } = this.#run;
    const parametersOf = (graph: Parameters<BlockProduct['from']>[0]) =>
      modelParameters(graph, model.layers.layers, model.logits.value);
    const probe = parametersOf(await model.at(model.fixedBatch ?? 2));
    return blocks.flatMap((block) => {
      const own = probe.filter(({ name }) => block.parameters.includes(name));
      let first = 0;
      for (const { name, rows, columns } of own) {
        const count = rows * columns;
        this.#rows.push({ block: block.name, parameter: name, first, rows, columns });
        first += count;
      }
      return secondOrders(this.#options).map(({ kind, operator }): NamedJob => {
        const cut: BlockProduct['from'] = (graph) =>
          parametersOf(graph).filter(({ name }) => block.parameters.includes(name));
        return {
          block,
          operator,
          dim: blockSize(own),
          kronecker: undefined,
          product: { kind, options: factorOptions, layer: block.name, from: cut, to: cut },
        };
      });
    });
  }

  #take({ block, operator }: NamedJob, pairs: TopEigenpairs): void {
    const { values, residuals, converged, trace, frobenius } = pairs;
    const layer = block.name;
    values.forEach((eigenvalue, index) => {
      const residual = residuals?.[index] ?? null;
      const done = converged?.[index] ?? true;
      this.#spectra.push({ layer, operator, index, eigenvalue, residual, converged: done });
    });
    const suffix = operator === 'hessian' ? '_hessian' : '';
    const norm = frobenius && rootOf(frobenius);
    for (const [measure, estimate] of [
      ['trace', trace],
      ['norm_frobenius', norm],
    ] as const) {
      if (estimate === undefined) continue;
      const add = (name: string, value: number) =>
        this.#structure.push({ layer, measure: name, k: null, value });
      add(`${measure}${suffix}`, estimate.value);
      if (estimate.standardError > 0)
        add(`${measure}${suffix}_standard_error`, estimate.standardError);
    }
  }

  #takeDensity({ block, operator }: NamedJob, { spectrum, density }: TopEigenpairs): void {
    const sampled = density === undefined ? [] : quadratureMasses(density);
    const masses = spectrum === undefined ? sampled : exactMasses(spectrum);
    this.#density.push(...densityRows(block.name, operator, masses));
  }

  async #writeEigenvectors(stem: string, job: NamedJob, pairs: TopEigenpairs): Promise<void> {
    const { block, operator, dim } = job;
    const bytes = encodeMatrixFile({
      layer: block.name,
      what: `eigenvectors of the block (${operator}) of the parameters that blocks.arrow lists, one a row, largest eigenvalue first`,
      normalisation:
        'unit length; the component of largest magnitude is positive; the block: mean over samples',
      rows: pairs.values.length,
      columns: dim,
      values: pairs.vectors,
      metadata: { parameters: block.parameters.join(',') },
    });
    await writeFileAtomic(join(this.#folder, 'eigenvectors', `${stem}.${operator}.arrow`), bytes);
  }

  spectrumRows(): readonly SpectrumRow[] {
    return this.#spectra;
  }

  densityRows(): readonly DensityRow[] {
    return this.#density;
  }

  structureRows(): readonly StructureRow[] {
    return this.#structure;
  }

  summaries(): readonly BlockSummary[] {
    const operators = secondOrders(this.#options).map(({ operator }) => operator);
    return blockSummaries(this.#rows, this.#spectra, this.#structure, operators);
  }

  /** Writes blocks.arrow where there are blocks. @throws DiskFullError */
  async writeTable(): Promise<void> {
    if (this.#run.blocks.length === 0) return;
    await writeFileAtomic(join(this.#folder, 'blocks.arrow'), encodeTable(BLOCKS, this.#rows));
  }
}
