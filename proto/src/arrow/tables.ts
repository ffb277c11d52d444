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
  tableFromIPC,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { KronlensError } from '../errors/kronlens-error.js';

type Cell = string | number | bigint | boolean | null;
type Row = { readonly [column: string]: Cell };

/** A table's schema together with the type of its rows. */
export interface TableSchema<R> {
  readonly name: string;
  readonly arrow: Schema;
  /** Only carries the type. */
  readonly row?: R;
}

const column = (name: string, type: DataType, nullable = false) => new Field(name, type, nullable);
const text = () => new Utf8();
const integer = () => new Int32();
const real = () => new Float64();

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

export class MalformedTableError extends KronlensError {
  constructor(table: string, reason: string, cause?: unknown) {
    super('malformed-table', `this is no '${table}' table: ${reason}`, { badInput: true, cause });
  }
}

/** The bytes of a table; the same rows give the same bytes. */
export function encodeTable<R extends Row>(schema: TableSchema<R>, rows: readonly R[]): Uint8Array {
  const columns = Object.fromEntries(
    schema.arrow.fields.map((field) => {
      const cells = rows.map((row) => row[field.name] ?? null);
      const typed =
        field.type instanceof Int64
          ? cells.map((cell) => (cell === null ? null : BigInt(cell)))
          : cells;
      return [field.name, vectorFromArray(typed, field.type)];
    }),
  );
  return tableToIPC(new Table(schema.arrow, columns), 'file');
}

/** @throws MalformedTableError when a column is missing or has another type */
export function decodeTable<R extends Row>(schema: TableSchema<R>, bytes: Uint8Array): R[] {
  let table: Table;
  try {
    table = tableFromIPC(bytes);
  } catch (cause) {
    throw new MalformedTableError(schema.name, 'it cannot be read as an Arrow file', cause);
  }
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

/**
 * File name stems of layers: characters outside [A-Za-z0-9._-] become `_`; layers that would share
 * a stem get `~2`, `~3`, ... in order.
 */
export function layerFileNames(layers: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Map<string, number>();
  return new Map(
    layers.map((layer) => {
      const stem = layer.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '_') || '_';
      const count = (taken.get(stem) ?? 0) + 1;
      taken.set(stem, count);
      return [layer, count === 1 ? stem : `${stem}~${count}`];
    }),
  );
}
