// What a stage of an analysis is, behind the pass that sums the factors.
import type { StageProgress } from '../stage-progress.js';
import type { AnalysisWork } from './analysis-work.js';

export interface AnalysisStage {
  /** Shown beside its progress, and the name of its time in run.json. */
  readonly name: string;
  /** What its progress counts, in the plural. */
  readonly unit: string;
  /** How many of them there are; 0 where there is nothing to do. */
  total(work: AnalysisWork): number;
  /** @throws KronlensErrors of its tasks; DiskFullError where files are written */
  run(work: AnalysisWork, progress: StageProgress): Promise<void>;
}
