"""Reads every Arrow file of a result folder with pyarrow, polars and DuckDB, and compares what they see.

    python3 scripts/check-arrow-files.py <result folder>

Prints one line a file: its name, rows x columns, and what it is. Exits with 1 when a reader fails,
when the readers disagree, or when the folder has no Arrow file. Needs: pip install pyarrow polars duckdb
"""

import sys
from pathlib import Path

import duckdb
import polars
import pyarrow as pa
import pyarrow.ipc


class Disagreement(Exception):
    """What two readers make of the same file differs."""


# The magic and its padding, before the stream that an Arrow file holds.
STREAM_BEGINS = 8


def expect(what, reader, found, wanted):
    if found != wanted:
        raise Disagreement(f"{reader} sees {what} {found}, pyarrow {wanted}")


def read_with_pyarrow(path):
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)
        return table


def compare(reader, seen, table):
    """Raises unless the reader's table has the names, the number of rows and the values of ours."""
    expect("columns", reader, seen.column_names, table.column_names)
    expect("rows", reader, seen.num_rows, table.num_rows)
    plain = pa.schema([pa.field(field.name, field.type) for field in table.schema])
    ours, theirs = table.cast(plain), seen.cast(plain)
    for name in table.column_names:
        if not theirs.column(name).equals(ours.column(name)):
            raise Disagreement(f"{reader} sees other values than pyarrow in column '{name}'")


def check_matrix(path, table):
    """The promises of a matrix file: one float64 value for each row and column, and three facts."""
    kind = table.schema.field("values").type
    if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.float64():
        raise Disagreement(f"column 'values' is {kind}, not a fixed-size list of float64")
    facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    for fact in ("layer", "what", "normalisation"):
        if fact not in facts:
            raise Disagreement(f"the schema metadata lack '{fact}'")
    return f"{table.num_rows} x {kind.list_size}", f"{facts['what']} of '{facts['layer']}'"


def check(path):
    """Reads the file three ways and returns its shape and what it is, in words."""
    table = read_with_pyarrow(path)
    with pa.memory_map(str(path)) as source:
        source.seek(STREAM_BEGINS)
        compare("a reader from the beginning", pa.ipc.open_stream(source).read_all(), table)
    compare("polars", polars.read_ipc(path, memory_map=False).to_arrow(), table)
    with duckdb.connect() as connection:
        compare("DuckDB", connection.from_arrow(table).to_arrow_table(), table)
    if table.column_names == ["values"]:
        return check_matrix(path, table)
    return f"{table.num_rows} x {table.num_columns}", ", ".join(table.column_names)


def main(arguments):
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: check-arrow-files.py <result folder>", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    paths = sorted(folder.rglob("*.arrow"))
    if not paths:
        print(f"check-arrow-files.py: no .arrow file in {folder}", file=sys.stderr)
        return 1
    failures = 0
    for path in paths:
        name = path.relative_to(folder)
        try:
            shape, what = check(path)
            print(f"{name}  {shape}  {what}")
        except Exception as error:
            failures += 1
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
    versions = f"pyarrow {pa.__version__}, polars {polars.__version__}, DuckDB {duckdb.__version__}"
    print(f"{len(paths) - failures} of {len(paths)} files read alike by {versions}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
