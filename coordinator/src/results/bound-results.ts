// Finished bounds as they lie on disk: their record, their tables, the deviations of their posteriors.
import {
  BOUND_HISTORY,
  BOUNDS,
  type BoundHistoryRow,
  type BoundRow,
  POSTERIOR_KL,
  type PosteriorKlRow,
} from '@kronlens/proto';
import { notAResultFolder } from './damaged.js';
import type { JsonFields } from './json-fields.js';
import { readMatrix } from './read-matrix.js';
import { readFinishedRecord } from './read-record.js';
import { readTable } from './read-table.js';

/** What run.json says of bounds. */
export interface BoundFacts {
  readonly model: string;
  /** The untrained network's file; null: the prior is centred at 0. */
  readonly init: string | null;
  readonly data: readonly string[];
  /** N. */
  readonly samples: number;
  readonly parameters: number;
  /** Probability with which each bound holds. */
  readonly confidence: number;
  readonly warnings: readonly string[];
}

export interface BoundResults {
  readonly folder: string;
  readonly name: string;
  readonly facts: BoundFacts;
  readonly bounds: readonly BoundRow[];
  readonly history: readonly BoundHistoryRow[];
  readonly kl: readonly PosteriorKlRow[];
}

function boundFacts(fields: JsonFields): BoundFacts {
  const resolved = fields.object('resolved');
  return {
    model: fields.object('model').string('path'),
    init: fields.objectOrNull('init')?.string('path') ?? null,
    data: [...new Set(fields.objects('data').map((array) => array.string('path')))],
    samples: resolved.number('samples'),
    parameters: resolved.number('parameters'),
    confidence: resolved.number('confidence'),
    warnings: fields.strings('warnings'),
  };
}

/**
 * Opens the result folder of `kronlens bound`; deviations are read when they are asked for.
 * @throws BadInputError when it is no such folder, not finished, or a file is missing or damaged
 */
export async function openBound(folder: string, name: string): Promise<BoundResults> {
  const facts = await readFinishedRecord(folder, (fields, kind) => {
    if (kind !== 'bound') throw notAResultFolder(folder, `it was made by kronlens ${kind}`);
    return boundFacts(fields);
  });
  return {
    folder,
    name,
    facts,
    bounds: await readTable(folder, BOUNDS),
    history: await readTable(folder, BOUND_HISTORY),
    kl: await readTable(folder, POSTERIOR_KL),
  };
}

/** The basis of the posterior's noise, or that of the weights themselves; without Kronecker eigenbases they are one. */
export type DeviationBasis = 'own' | 'standard';

/**
 * Standard deviations of one parameter in a basis, largest first.
 * @throws BadInputError when the file is damaged
 */
export async function posteriorDeviations(
  { folder }: BoundResults,
  variant: string,
  parameter: string,
  basis: DeviationBasis,
): Promise<Float64Array | undefined> {
  const read = (kind: string) => readMatrix(folder, 'posterior', parameter, kind, `${variant}.`);
  const standard = basis === 'standard' ? await read('standard_deviations') : undefined;
  const found = standard ?? (await read('deviations'));
  return found?.values.slice().sort().reverse();
}
