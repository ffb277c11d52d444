"""Prints the table of README.md from result folders: python3 figures.py <folder>/out-<n> ... (needs pyarrow)."""

import math
import sys
from pathlib import Path

import pyarrow as pa

CLASSES = 5
SAMPLES = 4096


def rows(path: Path) -> list[dict]:
    return pa.ipc.open_file(path).read_all().to_pylist()


print("| n | d | overlap at c-1 | lambda_c / lambda_(c-1) | heuristic overlap | lambda_1 of E[xx^T] | theory | lambda_2 | theory, widened |")
print("|---|---|---|---|---|---|---|---|---|")
for folder in map(Path, sys.argv[1:]):
    layer = rows(folder / "layers.arrow")[0]
    n, d = layer["out_dim"], layer["in_dim"]
    structure = {(r["measure"], r["k"]): r["value"] for r in rows(folder / "structure.arrow")}
    values: dict[str, list[float]] = {}
    for row in rows(folder / "spectra.arrow"):
        values.setdefault(row["operator"], []).append(row["eigenvalue"])
    rest = (math.pi - 1) / (2 * math.pi)
    cells = [
        f"{structure['eigenspace_overlap', CLASSES - 1]:.4f}",
        f"{values['ggn'][CLASSES - 1] / values['ggn'][CLASSES - 2]:.3f}",
        f"{structure['heuristic_overlap', None]:.3f}",
        f"{values['input'][0]:.2f}",
        f"{d / (2 * math.pi) + rest:.2f}",
        f"{values['input'][1]:.3f}",
        f"{rest * (1 + math.sqrt(d / SAMPLES)) ** 2:.3f}",
    ]
    print(f"| {n} | {d} | {' | '.join(cells)} |")
