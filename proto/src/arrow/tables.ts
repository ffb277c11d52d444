// The tables of the result folder: schemas, row types, bytes.
import {
  Bool,
  type DataType,
  Field,
  Float64,
  Int32,
  Int64,
  Schema,
  Table,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { KronlensError } from '../errors/kronlens-error.js';
import { openArrowFile } from './checked-file.js';
import { encodeArrowFile } from './encode-file.js';

type Cell = string | number | bigint | boolean | null;
type Row = { readonly [column: string]: Cell };

/** A table's schema together with the type of its rows. */
export interface TableSchema<R> {
  readonly name: string;
  readonly arrow: Schema;
  /** Only carries the type. */
  readonly row?: R;
}

export const column = (name: string, type: DataType, nullable = false) =>
  new Field(name, type, nullable);
export const text = () => new Utf8();
export const integer = () => new Int32();
export const real = () => new Float64();

export type LayerRow = {
  readonly layer: string;
  readonly op: string;
  readonly weight: string;
  readonly out_dim: number;
  readonly in_dim: number;
  readonly groups: number;
  readonly positions: number;
  readonly params: number;
  readonly bias: string | null;
  readonly piecewise_linear: boolean;
};
export const LAYERS: TableSchema<LayerRow> = {
  name: 'layers',
  arrow: new Schema([
    column('layer', text()),
    column('op', text()),
    column('weight', text()),
    column('out_dim', integer()),
    column('in_dim', integer()),
    column('groups', integer()),
    column('positions', integer()),
    column('params', new Int64()),
    column('bias', text(), true),
    column('piecewise_linear', new Bool()),
  ]),
};

export type SpectrumRow = {
  readonly layer: string;
  readonly operator: string;
  /** 0 = largest. */
  readonly index: number;
  readonly eigenvalue: number;
  /** null where the decomposition is exact to rounding. */
  readonly residual: number | null;
  readonly converged: boolean;
};
export const SPECTRA: TableSchema<SpectrumRow> = {
  name: 'spectra',
  arrow: new Schema([
    column('layer', text()),
    column('operator', text()),
    column('index', integer()),
    column('eigenvalue', real()),
    column('residual', real(), true),
    column('converged', new Bool()),
  ]),
};

/**
 * The density of an operator's eigenvalues as point masses: (1 / d) tr f(H) is about the sum of
 * weight * f(eigenvalue) over the rows of a probe, averaged over probes.
 */
export type DensityRow = {
  readonly layer: string;
  readonly operator: string;
  /** Random start vector of stochastic Lanczos quadrature, from 0; null: all eigenvalues, exactly. */
  readonly probe: number | null;
  readonly eigenvalue: number;
  /** The rows of each probe add up to 1. */
  readonly weight: number;
};
export const DENSITY: TableSchema<DensityRow> = {
  name: 'density',
  arrow: new Schema([
    column('layer', text()),
    column('operator', text()),
    column('probe', integer(), true),
    column('eigenvalue', real()),
    column('weight', real()),
  ]),
};

export type StructureRow = {
  readonly layer: string;
  readonly measure: string;
  readonly k: number | null;
  readonly value: number;
};
export const STRUCTURE: TableSchema<StructureRow> = {
  name: 'structure',
  arrow: new Schema([
    column('layer', text()),
    column('measure', text()),
    column('k', integer(), true),
    column('value', real()),
  ]),
};

/** Where a parameter lies in the vectors of a block. */
export type BlockRow = {
  readonly block: string;
  readonly parameter: string;
  /** Its first entry; the others follow row by row. */
  readonly first: number;
  readonly rows: number;
  readonly columns: number;
};
export const BLOCKS: TableSchema<BlockRow> = {
  name: 'blocks',
  arrow: new Schema([
    column('block', text()),
    column('parameter', text()),
    column('first', new Int64()),
    column('rows', integer()),
    column('columns', integer()),
  ]),
};

/** The size of a block between two layers, or within one. */
export type CrossRow = {
  readonly layer_a: string;
  readonly layer_b: string;
  readonly operator: string;
  /** ||H_ab||_F. */
  readonly frobenius: number;
  /** 0 where it is exact to rounding. */
  readonly standard_error: number;
};
export const CROSS: TableSchema<CrossRow> = {
  name: 'cross',
  arrow: new Schema([
    column('layer_a', text()),
    column('layer_b', text()),
    column('operator', text()),
    column('frobenius', real()),
    column('standard_error', real()),
  ]),
};

/** overlap(k) of one pair of runs: ||U^T V||_F^2 / k of their top-k eigenspaces. */
export type OverlapRow = {
  readonly run_a: string;
  readonly run_b: string;
  readonly layer: string;
  readonly operator: string;
  /** 1 or more. */
  readonly k: number;
  readonly overlap: number;
};
export const OVERLAP: TableSchema<OverlapRow> = {
  name: 'overlap',
  arrow: new Schema([
    column('run_a', text()),
    column('run_b', text()),
    column('layer', text()),
    column('operator', text()),
    column('k', integer()),
    column('overlap', real()),
  ]),
};

/** overlap(k) over all pairs of runs, with what chance and theory give. */
export type MeanOverlapRow = {
  readonly layer: string;
  readonly operator: string;
  readonly k: number;
  readonly pairs: number;
  readonly mean: number;
  /** Over the pairs, divisor pairs - 1; null for one pair. */
  readonly standard_deviation: number | null;
  /** k / d, the expectation for random subspaces. */
  readonly baseline: number;
  /** (k / m) (t1 . t1')^2, the mean over pairs; null where it does not apply. */
  readonly predicted: number | null;
};
export const MEAN_OVERLAP: TableSchema<MeanOverlapRow> = {
  name: 'overlap_mean',
  arrow: new Schema([
    column('layer', text()),
    column('operator', text()),
    column('k', integer()),
    column('pairs', integer()),
    column('mean', real()),
    column('standard_deviation', real(), true),
    column('baseline', real()),
    column('predicted', real(), true),
  ]),
};

/** Where the overlap of a layer of two runs should peak, and how high. */
export type PredictionRow = {
  readonly run_a: string;
  readonly run_b: string;
  readonly layer: string;
  /** m, the output dimension (times the groups). */
  readonly peak_k: number;
  /** (t1 . t1')^2, the mean over groups; t1 is the top eigenvector of E[x x^T]. */
  readonly height: number;
  /** Whether tau_m gamma_1 > tau_1 gamma_2 in both runs. */
  readonly holds: boolean;
};
export const PREDICTION: TableSchema<PredictionRow> = {
  name: 'prediction',
  arrow: new Schema([
    column('run_a', text()),
    column('run_b', text()),
    column('layer', text()),
    column('peak_k', integer()),
    column('height', real()),
    column('holds', new Bool()),
  ]),
};

/** One measure at one step of a trajectory. */
export type TrajectoryRow = {
  /** 0 = the first run. */
  readonly step: number;
  readonly run: string;
  /** null for measures of the whole model. */
  readonly layer: string | null;
  readonly measure: string;
  readonly operator: string | null;
  readonly k: number | null;
  readonly value: number;
};
export const TRAJECTORY: TableSchema<TrajectoryRow> = {
  name: 'trajectory',
  arrow: new Schema([
    column('step', integer()),
    column('run', text()),
    column('layer', text(), true),
    column('measure', text()),
    column('operator', text(), true),
    column('k', integer(), true),
    column('value', real()),
  ]),
};

export class MalformedTableError extends KronlensError {
  constructor(table: string, reason: string, cause?: unknown) {
    super('malformed-table', `this is no '${table}' table: ${reason}`, { badInput: true, cause });
  }
}

/**
 * The bytes of a table; the same rows give the same bytes.
 * @throws Error for a null where the column has none, and an integer that does not fit its column
 */
export function encodeTable<R extends Row>(schema: TableSchema<R>, rows: readonly R[]): Uint8Array {
  if (rows.length === 0) return encodeArrowFile(new Table(schema.arrow));
  const columns = Object.fromEntries(
    schema.arrow.fields.map((field) => {
      const cells = rows.map((row, index) => storable(schema.name, field, row[field.name], index));
      return [field.name, vectorFromArray(cells, field.type)];
    }),
  );
  return encodeArrowFile(new Table(schema.arrow, columns));
}

function storable(table: string, field: Field, cell: Cell | undefined, index: number): Cell {
  const refuse = (reason: string) =>
    new Error(`table '${table}', row ${index}: column '${field.name}' ${reason}`);
  if (cell === null || cell === undefined) {
    if (!field.nullable) throw refuse('has no value');
    return null;
  }
  if (field.type instanceof Int64) {
    if (!Number.isSafeInteger(Number(cell))) throw refuse(`cannot hold ${cell}`);
    return BigInt(cell);
  }
  if (field.type instanceof Int32 && Number(cell) !== (Number(cell) | 0))
    throw refuse(`cannot hold ${cell}`);
  return cell;
}

/** @throws MalformedTableError when a column is missing or has another type */
export function decodeTable<R extends Row>(schema: TableSchema<R>, bytes: Uint8Array): R[] {
  const refusal = (reason: string, cause: unknown) =>
    new MalformedTableError(schema.name, reason, cause);
  const table = openArrowFile(bytes, refusal);
  if (table.numRows > bytes.length)
    throw new MalformedTableError(schema.name, 'it has more rows than bytes');
  for (const field of schema.arrow.fields) {
    const found = table.schema.fields.find(({ name }) => name === field.name);
    if (found === undefined)
      throw new MalformedTableError(schema.name, `column '${field.name}' is missing`);
    if (String(found.type) !== String(field.type))
      throw new MalformedTableError(schema.name, `column '${field.name}' is ${found.type}`);
  }
  const columns = schema.arrow.fields.map((field) => ({
    field,
    vector: table.getChild(field.name),
  }));
  return Array.from({ length: table.numRows }, (_, row) => {
    const cells = columns.map(({ field, vector }) => {
      const cell: unknown = vector?.get(row);
      return [field.name, typeof cell === 'bigint' ? Number(cell) : cell];
    });
    return Object.fromEntries(cells) as R;
  });
}
