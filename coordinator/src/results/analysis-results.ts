// A finished analysis as it lies on disk: its record, its layers and its tables.
import { join } from 'node:path';
import {
  BLOCKS,
  type BlockRow,
  CROSS,
  type CrossRow,
  DENSITY,
  type DensityRow,
  LAYERS,
  type LayerRow,
  SPECTRA,
  type SpectrumRow,
  STRUCTURE,
  type StructureRow,
} from '@kronlens/proto';
import { missingFile, notAResultFolder } from './damaged.js';
import type { JsonFields } from './json-fields.js';
import { readFinishedRecord } from './read-record.js';
import { readTable, readTableIfThere } from './read-table.js';

/** What run.json says of an analysis, as far as comparisons and reports use it. */
export interface AnalysisFacts {
  readonly version: string;
  readonly model: { readonly path: string; readonly sha256: string };
  /** One entry an array that was read. */
  readonly data: readonly {
    readonly name: string;
    readonly path: string;
    readonly sha256: string;
  }[];
  /** The options as texts, by the names that run.json gives them; unset ones are absent. */
  readonly options: ReadonlyMap<string, string>;
  readonly measures: readonly string[];
  /** c: outputs of the model. */
  readonly outputs: number;
  readonly lossName: string;
  readonly samples: number;
  /** Means over the data; null without labels. */
  readonly loss: number | null;
  readonly accuracy: number | null;
  readonly normalisations: ReadonlyMap<string, string>;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  readonly warnings: readonly string[];
}

/** Rows are in the files' order; a table that the run was not to write has none. */
export interface AnalysisResults {
  readonly folder: string;
  /** Short and distinct among the runs that are looked at together. */
  readonly name: string;
  readonly facts: AnalysisFacts;
  readonly layers: readonly LayerRow[];
  readonly spectra: readonly SpectrumRow[];
  readonly structure: readonly StructureRow[];
  readonly density: readonly DensityRow[];
  readonly blocks: readonly BlockRow[];
  readonly cross: readonly CrossRow[];
}

function analysisFacts(fields: JsonFields): AnalysisFacts {
  const model = fields.object('model');
  const options = fields.object('options');
  const resolved = fields.object('resolved');
  return {
    version: fields.string('version'),
    model: { path: model.string('path'), sha256: model.string('sha256') },
    data: fields.objects('data').map((array) => ({
      name: array.string('name'),
      path: array.string('path'),
      sha256: array.string('sha256'),
    })),
    options: options.asTexts(),
    measures: options.strings('measures'),
    outputs: fields.number('outputs'),
    lossName: resolved.string('loss'),
    samples: resolved.number('samples'),
    loss: fields.numberOrNull('loss'),
    accuracy: fields.numberOrNull('accuracy'),
    normalisations: fields.object('normalisations').asTexts(),
    skipped: fields.objects('skipped').map((layer) => ({
      name: layer.string('name'),
      reason: layer.string('reason'),
    })),
    warnings: fields.strings('warnings'),
  };
}

/**
 * Opens the result folder of an analysis; matrices are read when they are asked for.
 * @throws BadInputError when it is no such folder, not finished, or a file is missing or damaged
 */
export async function openAnalysis(folder: string, name: string): Promise<AnalysisResults> {
  const facts = await readFinishedRecord(folder, (fields, kind) => {
    if (kind !== 'analyze') throw notAResultFolder(folder, `it was made by kronlens ${kind}`);
    return analysisFacts(fields);
  });
  const layers = await readTable(folder, LAYERS);
  const spectra = await readTableIfThere(folder, SPECTRA);
  const structure = await readTableIfThere(folder, STRUCTURE);
  const promised = [
    ['eigen', SPECTRA.name, spectra],
    ['structure', STRUCTURE.name, structure],
  ] as const;
  for (const [measure, table, rows] of promised)
    if (rows === undefined && facts.measures.includes(measure))
      throw missingFile(join(folder, `${table}.arrow`), `the run measured ${measure}`);
  const density = await readTableIfThere(folder, DENSITY);
  return {
    folder,
    name,
    facts,
    layers,
    spectra: spectra ?? [],
    structure: structure ?? [],
    density: density ?? [],
    blocks: (await readTableIfThere(folder, BLOCKS)) ?? [],
    cross: (await readTableIfThere(folder, CROSS)) ?? [],
  };
}
