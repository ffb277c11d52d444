"""Makes worker/fixtures/data: small data files as NumPy and pyarrow write them, for the readers' tests.

    python3 scripts/make-data-fixtures.py

Needs numpy and pyarrow. Sample i of `x` has shape [2, 3] and values (6 i + place) / 8 - 4, which
every floating-point type holds exactly; its label is 7 i mod 3; `image` is (6 i + place) mod 251.
"""

import gzip
import struct
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

FOLDER = Path(__file__).resolve().parent.parent / "worker" / "fixtures" / "data"
SAMPLES = 11

x = (np.arange(SAMPLES * 6).reshape(SAMPLES, 2, 3) / 8 - 4).astype(np.float32)
y = (np.arange(SAMPLES) * 7 % 3).astype(np.int64)
image = (np.arange(SAMPLES * 6).reshape(SAMPLES, 2, 3) % 251).astype(np.uint8)


def npy() -> None:
    np.save(FOLDER / "float32.npy", x)
    np.save(FOLDER / "float64.npy", x.astype(np.float64))
    np.save(FOLDER / "big-endian.npy", x.astype(">f8"))
    np.save(FOLDER / "float16.npy", x.astype(np.float16))
    np.save(FOLDER / "uint8.npy", image)
    np.save(FOLDER / "bool.npy", y == 1)
    np.save(FOLDER / "fortran.npy", np.asfortranarray(x))
    np.save(FOLDER / "fortran-big-endian.npy", np.asfortranarray(x.astype(">f8")))
    np.save(FOLDER / "scalar.npy", np.float32(3))
    np.save(FOLDER / "pickled.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    np.save(FOLDER / "records.npy", np.zeros(3, dtype=[("a", "f4"), ("b", "i4")]))
    np.save(FOLDER / "text.npy", np.array(["one", "two"]))
    spoilt = x.copy()
    spoilt[4, 1, 0] = np.nan
    spoilt[7, 0, 0] = np.inf
    np.save(FOLDER / "not-finite.npy", spoilt)
    with open(FOLDER / "version2.npy", "wb") as file:
        np.lib.format.write_array(file, x, version=(2, 0))
    (FOLDER / "float32.npy.gz").write_bytes(
        gzip.compress((FOLDER / "float32.npy").read_bytes(), mtime=0)
    )


def npz() -> None:
    np.savez(FOLDER / "arrays.npz", x=x, y=y, names=np.array(["a"] * SAMPLES))
    np.savez_compressed(
        FOLDER / "compressed.npz", x=x.astype(np.float16), y=y.astype(np.uint8), image=image
    )
    np.savez_compressed(FOLDER / "fortran.npz", x=np.asfortranarray(x), y=y)
    limit, zipfile.ZIP64_LIMIT = zipfile.ZIP64_LIMIT, 64
    try:
        np.savez(FOLDER / "zip64.npz", x=x, y=y)
    finally:
        zipfile.ZIP64_LIMIT = limit


def idx_bytes(array: np.ndarray, code: int) -> bytes:
    header = struct.pack(">BBBB", 0, 0, code, array.ndim)
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return header + shape + array.astype(array.dtype.newbyteorder(">")).tobytes()


def idx() -> None:
    for name, array, code in [
        ("images-idx3-ubyte", image, 8),
        ("labels-idx1-ubyte", y.astype(np.uint8), 8),
        ("float.idx", x, 13),
    ]:
        data = idx_bytes(array, code)
        (FOLDER / name).write_bytes(data)
        (FOLDER / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))


def fixed_lists(array: np.ndarray) -> pa.Array:
    values = pa.array(array.reshape(-1))
    for size in reversed(array.shape[1:]):
        values = pa.FixedSizeListArray.from_arrays(values, int(size))
    return values


def write_arrow(name: str, table: pa.Table, rows: int = SAMPLES, **options: object) -> None:
    with ipc.new_file(
        FOLDER / name, table.schema, options=ipc.IpcWriteOptions(**options)
    ) as writer:
        writer.write_table(table, max_chunksize=rows)


def arrow() -> None:
    tensor = pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [2, 3]), fixed_lists(x.reshape(SAMPLES, 6))
    )
    table = pa.table(
        {
            "name": pa.array([f"sample {i}" for i in range(SAMPLES)]),
            "tags": pa.array([[0] * (i % 3) for i in range(SAMPLES)]),
            "flat": fixed_lists(x.reshape(SAMPLES, 6)),
            "kind": pa.array([f"kind {i % 2}" for i in range(SAMPLES)]).dictionary_encode(),
            "x": fixed_lists(x.astype(np.float16)),
            "tensor": tensor,
            "flag": pa.array(y == 1),
            "flags": fixed_lists(x > 0),
            "y": pa.array(y.astype(np.int8)),
        }
    )
    write_arrow("table.arrow", table)
    write_arrow("batches.arrow", table, rows=4)
    write_arrow("compressed.arrow", table.select(["y"]), compression="zstd")
    views = pa.table(
        {
            "name": pa.array(
                [f"a name that is longer than twelve bytes {i}" for i in range(SAMPLES)],
                pa.string_view(),
            ),
            "x": fixed_lists(x),
            "note": pa.array(["short"] * SAMPLES, pa.string_view()),
            "y": pa.array(y),
        }
    )
    write_arrow("views.arrow", views, rows=4)
    write_arrow("nulls.arrow", pa.table({"y": pa.array([1, None, 2])}))
    write_arrow("text.arrow", pa.table({"name": pa.array(["a", "b"])}))
    with ipc.new_stream(FOLDER / "stream.arrow", table.schema) as writer:
        writer.write_table(table)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.iterdir():
        path.unlink()
    npy()
    npz()
    idx()
    arrow()
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{len(list(FOLDER.iterdir()))} files, {total} bytes in {FOLDER}")
