// Overlap curves of exact curvature operators, from the eigenvectors that runs have stored.
import { type AnalysisResults, layerSpectra, numericalRank } from '../results/index.js';
import { differentShapes } from './different-shapes.js';
import { type Frame, frameCosines } from './frame.js';
import type { AfterPair, OperatorCurves } from './layer-comparison.js';
import { overlapCurve } from './overlap-curve.js';
import { readExactFrame } from './stored-frames.js';

/** Operators on the whole weight whose eigenvectors a run may have stored. */
export const EXACT_OPERATORS = ['ggn', 'hessian'] as const;

/** A block that was formed has all eigenvalues in spectra.arrow, but as many eigenvectors as were asked for. */
function mostStored({ facts }: AnalysisResults): number {
  return Number(facts.options.get('top') ?? Number.POSITIVE_INFINITY);
}

/**
 * Holds two runs' eigenvectors at a time: they are as long as the weight.
 * @param notes gets a sentence where the operator cannot be compared, or not with confidence
 * @returns undefined where not every run has the operator
 * @throws BadInputError when shapes differ or a file is damaged
 */
export async function compareExact(
  runs: readonly AnalysisResults[],
  layer: string,
  operator: string,
  top: number,
  notes: string[],
  afterPair: AfterPair,
): Promise<OperatorCurves | undefined> {
  const spectra = runs.map((run) => layerSpectra(run.spectra, layer).get(operator));
  if (spectra.every((spectrum) => spectrum === undefined)) return undefined;
  const leaveOut = ({ name }: AnalysisResults) => {
    notes.push(`${operator}: not compared, ${name} has no eigenvectors of it`);
    return undefined;
  };
  const absent = runs.find((_, index) => spectra[index] === undefined);
  if (absent !== undefined) return leaveOut(absent);
  const known = runs.map((run, index) =>
    Math.min(numericalRank(spectra[index]?.eigenvalues ?? []), mostStored(run)),
  );
  const count = Math.min(top, ...known);
  const limiting = runs[known.indexOf(count)];
  const limitedBy = count < top && limiting !== undefined ? limiting.name : null;
  for (const [index, run] of runs.entries()) {
    const converged = spectra[index]?.converged ?? 0;
    if (converged < count)
      notes.push(
        `${operator}: only the first ${converged} of ${count} eigenvectors have converged in ${run.name}`,
      );
  }
  const curves: Float64Array[] = [];
  let dimension = 0;
  for (const [index, run] of runs.entries()) {
    const others = runs.slice(index + 1);
    if (others.length === 0) break;
    const first = await readExactFrame(run, layer, operator, count);
    if (first === undefined) return leaveOut(run);
    dimension = first.dimension;
    for (const other of others) {
      const second: Frame | undefined = await readExactFrame(other, layer, operator, count);
      if (second === undefined) return leaveOut(other);
      if (second.dimension !== dimension)
        throw differentShapes(
          layer,
          `eigenvectors of ${dimension} weights in ${run.name} and ${second.dimension} in ${other.name}`,
        );
      curves.push(overlapCurve(frameCosines(first, second), count));
      await afterPair();
    }
  }
  return { operator, dimension, curves, limitedBy };
}
