// The stages of an analysis, in their order: each may need what those before it found.
import { classMeans } from './class-means.js';
import { cross } from './cross.js';
import { curvature } from './curvature.js';
import { eigenpairs } from './eigenpairs.js';
import { ekfac } from './ekfac.js';
import { fullHessian, stackedOutputs } from './full-hessian.js';
import { hessians } from './hessians.js';
import { parameterBlocks } from './parameter-blocks.js';
import type { AnalysisStage } from './stage.js';
import { structure } from './structure.js';

export const STAGES: readonly AnalysisStage[] = [
  eigenpairs,
  curvature,
  hessians,
  parameterBlocks,
  cross,
  ekfac,
  structure,
  classMeans,
  stackedOutputs,
  fullHessian,
];
