# Writes the Hessian fixtures: spectra, products and norms of blocks of whole Hessians, from torch.func in float64.
"""
coordinator/fixtures/hessian/<case>.json, of the networks and data of coordinator/fixtures/factors (the
script checks that they still are those). Every block is cut out of the dense second derivative of
the mean loss, or of (1/N) sum of J^T A J, in all parameters at once; numbers are float64:

    { "samples": N, "loss", "blocks": [{
        "name": a layer's module path, or the name of the block,
        "parameters": [names as PyTorch has them], "curvature": "hessian" | "ggn", "dimension": d,
        "trace", "frobenius", "largest": [10, descending], "smallest": [10, ascending],
        "probes": { "vectors": [2, d], "products": [2, d] } }],
      "cross": [{ "curvature", "a", "b": layers, "frobenius": ||H_ab||_F }] }

A layer's block is that of its weight alone; other blocks hold their parameters in the order of
"parameters", each row-major. An array is { "shape", "float64": base64 of little-endian bytes }.

Usage: python3 scripts/make-hessian-fixtures.py [--out <folder>]
Needs: torch >= 2.9, onnxruntime.
"""

import argparse
import base64
import copy
import json
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import torch
from oracle_cases import CASES, Case
from oracle_export import run
from oracle_factors import loss_of
from oracle_network import double_labels, make_network
from torch import nn
from torch.func import functional_call, hessian, jacrev

FIXTURES = Path(__file__).parent.parent / "coordinator" / "fixtures"
EIGENVALUES = 10
PROBES = 2
FLOAT32_TOLERANCE = 3e-6

# Blocks of several parameters, by patterns of their names.
BLOCKS = {
    "mlp-tanh": {"all": "*"},
    "mlp-gelu": {"biases": "*.bias"},
    "lenet-small": {"fc": "fc*"},
    "layernorm-tokens": {"all": "*", "norms": "norm*"},
    "groupnorm-cnn": {"norms": "*_norm.*"},
    "regression": {},
    "tied-parallel": {},
}


@dataclass(frozen=True)
class Whole:
    """A matrix on all parameters of a network, and where each of them lies in it."""

    matrix: torch.Tensor
    places: dict[str, slice]

    def indices(self, names: list[str]) -> torch.Tensor:
        return torch.cat([torch.arange(self.places[name].start, self.places[name].stop) for name in names])

    def block(self, rows: list[str], columns: list[str]) -> torch.Tensor:
        return self.matrix[self.indices(rows)][:, self.indices(columns)]


def whole_matrices(model: nn.Module, loss: str, x: torch.Tensor, y: torch.Tensor) -> dict[str, Whole]:
    names, sizes, start = list(dict(model.named_parameters())), {}, 0
    shapes = {name: value.shape for name, value in model.named_parameters()}
    for name in names:
        sizes[name] = slice(start, start + shapes[name].numel())
        start += shapes[name].numel()
    flat = torch.cat([value.detach().flatten() for value in model.parameters()])

    def logits(theta: torch.Tensor) -> torch.Tensor:
        parameters = {name: theta[place].reshape(shapes[name]) for name, place in sizes.items()}
        return functional_call(model, parameters, (x,)).flatten(1)

    def mean(theta: torch.Tensor) -> torch.Tensor:
        losses = [loss_of(loss, f, label) for f, label in zip(logits(theta), y)]
        return sum(losses) / len(losses)

    j = jacrev(logits)(flat)
    a = torch.stack(
        [
            hessian(lambda f, label=label: loss_of(loss, f, label))(row)
            for row, label in zip(logits(flat), y)
        ]
    )
    ggn = torch.einsum("ska,skl,slb->ab", j, a, j) / len(x)
    return {"hessian": Whole(hessian(mean)(flat), sizes), "ggn": Whole(ggn, sizes)}


def array(values: np.ndarray) -> dict[str, object]:
    content = values.astype("<f8")
    return {"shape": list(content.shape), "float64": base64.b64encode(content.tobytes()).decode()}


def describe(name: str, parameters: list[str], curvature: str, whole: Whole) -> dict[str, object]:
    block = whole.block(parameters, parameters).numpy()
    values = np.linalg.eigvalsh((block + block.T) / 2)
    vectors = np.random.default_rng(len(block)).normal(size=(PROBES, len(block)))
    return {
        "name": name,
        "parameters": parameters,
        "curvature": curvature,
        "dimension": len(block),
        "trace": float(np.trace(block)),
        "frobenius": float(np.linalg.norm(block)),
        "largest": values[::-1][:EIGENVALUES].tolist(),
        "smallest": values[:EIGENVALUES].tolist(),
        "probes": {"vectors": array(vectors), "products": array(vectors @ block)},
    }


def layers_of(case: str) -> list[str]:
    oracle = json.loads((FIXTURES / "factors" / case / "oracle.json").read_text())
    return [layer["name"] for layer in oracle["layers"]]


def check_same(case: Case, model: nn.Module, x: torch.Tensor) -> None:
    """The committed model and data are those of this network."""
    folder = FIXTURES / "factors" / case.name
    stored = np.load(folder / "data.npz")["x"]
    logits = model(x).detach().numpy()
    error = np.abs(run(folder / "model.onnx", stored) - logits).max() / np.abs(logits).max()
    if not error < FLOAT32_TOLERANCE:
        raise SystemExit(f"{case.name}: the network is not the one in {folder}; make the factor fixtures first")


def make(case: Case, out: Path) -> None:
    model, x, y = make_network(case)
    check_same(case, model, x)
    double = copy.deepcopy(model).double().requires_grad_(False)
    wholes = whole_matrices(double, case.loss, x.double(), double_labels(y))
    layers = layers_of(case.name)
    names = [name for name, _ in double.named_parameters()]
    blocks, cross = [], []
    for curvature, whole in wholes.items():
        blocks += [describe(layer, [f"{layer}.weight"], curvature, whole) for layer in layers]
        for block, pattern in BLOCKS[case.name].items():
            chosen = [name for name in names if fnmatch(name, pattern)]
            blocks.append(describe(block, chosen, curvature, whole))
        for i, a in enumerate(layers):
            for b in layers[i:]:
                norm = whole.block([f"{a}.weight"], [f"{b}.weight"]).norm().item()
                cross.append({"curvature": curvature, "a": a, "b": b, "frobenius": norm})
    content = {"samples": case.samples, "loss": case.loss, "blocks": blocks, "cross": cross}
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{case.name}.json"
    file.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{case.name}: {file.stat().st_size / 1000:.0f} kB")
    for block in blocks:
        values = f"{block['largest'][0]:.3g} ... {block['smallest'][0]:.3g}"
        print(f"  {block['curvature']} of {block['name']}, {block['dimension']}: {values}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=FIXTURES / "hessian")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.backends.cuda.enable_flash_sdp(False)
    for case in CASES:
        if case.name in BLOCKS:
            make(case, options.out)


if __name__ == "__main__":
    main()
