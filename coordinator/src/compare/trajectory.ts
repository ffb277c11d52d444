// The rows of trajectory.arrow: the measures of runs that are checkpoints of one training, in order.
import type { SpectrumRow, StructureRow, TrajectoryRow } from '@kronlens/proto';
import type { AnalysisResults } from '../results/index.js';
import type { LayerComparison } from './layer-comparison.js';
import { pairsOf } from './pair-statistics.js';

/** Eigenvalues of each operator that a trajectory follows. */
const EIGENVALUES = 10;

/** What a trajectory takes from one run. */
export type Checkpoint = Pick<AnalysisResults, 'name' | 'spectra' | 'structure'> & {
  readonly facts: Pick<AnalysisResults['facts'], 'loss' | 'accuracy' | 'outputs'>;
};

type Measured = Omit<TrajectoryRow, 'step' | 'run'>;

function modelMeasures({ loss, accuracy }: Checkpoint['facts']): readonly Measured[] {
  const measures = [
    ['loss', loss],
    ['accuracy', accuracy],
  ] as const;
  return measures.flatMap(([measure, value]) =>
    value === null ? [] : [{ layer: null, measure, operator: null, k: null, value }],
  );
}

function eigenvalues(rows: readonly SpectrumRow[]): readonly Measured[] {
  return rows
    .filter(({ index }) => index < EIGENVALUES)
    .map(({ layer, operator, index, eigenvalue }) => ({
      layer,
      measure: 'eigenvalue',
      operator,
      k: index + 1,
      value: eigenvalue,
    }));
}

function structure(rows: readonly StructureRow[]): readonly Measured[] {
  return rows.map(({ layer, measure, k, value }) => ({ layer, measure, operator: null, k, value }));
}

/** Overlaps of step `step` with the first, the previous and the last one, at some k. */
function overlaps(
  step: number,
  steps: number,
  outputs: number,
  comparisons: readonly LayerComparison[],
): readonly Measured[] {
  const pairs = pairsOf(steps);
  const partners = [
    ['overlap_with_first', 0],
    ['overlap_with_previous', step - 1],
    ['overlap_with_last', steps - 1],
  ] as const;
  return comparisons.flatMap(({ layer, operators, peak }) =>
    operators.flatMap(({ operator, curves }) =>
      partners.flatMap(([measure, partner]) => {
        if (partner < 0 || partner === step) return [];
        const [a, b] = [Math.min(step, partner), Math.max(step, partner)];
        const curve = curves[pairs.findIndex((pair) => pair[0] === a && pair[1] === b)];
        const ks = [...new Set([1, outputs - 1, peak])].sort((x, y) => x - y);
        return ks.flatMap((k) => {
          const value = curve?.[k - 1];
          return value === undefined ? [] : [{ layer: layer.layer, measure, operator, k, value }];
        });
      }),
    ),
  );
}

/**
 * Loss and accuracy, every row of structure.arrow, the ten largest eigenvalues of every operator,
 * and overlaps with the first, previous and last step at k = 1, c - 1 and the predicted peak.
 * @param runs in the order of the training
 */
export function trajectoryRows(
  runs: readonly Checkpoint[],
  comparisons: readonly LayerComparison[],
): readonly TrajectoryRow[] {
  return runs.flatMap(({ name, facts, spectra, structure: measures }, step) =>
    [
      ...modelMeasures(facts),
      ...structure(measures),
      ...eigenvalues(spectra),
      ...overlaps(step, runs.length, facts.outputs, comparisons),
    ].map((measured) => ({ step, run: name, ...measured })),
  );
}
