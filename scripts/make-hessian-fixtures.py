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

A layer's block is that of its weight alone, or with "joint": true of [W b], [m, n + 1] row-major; other
blocks hold their parameters in the order of "parameters", each row-major. An array is { "shape", "float64": base64 of little-endian bytes }.

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
    "groupnorm-cnn": {"norms": "[il]*_norm.*"},
    "regression": {},
    "tied-parallel": {},
}

JOINT = ("mlp-gelu",)


@dataclass(frozen=True)
class Whole:
    """A matrix on all parameters of a network, and where each of them lies in it."""

    matrix: torch.Tensor
    places: dict[str, slice]

    def joint(self, layer: str) -> torch.Tensor:
        """The block of [W b] of a layer."""
        weight, bias = self.indices([f"{layer}.weight"]), self.indices([f"{layer}.bias"])
        entries = torch.cat([weight.reshape(len(bias), -1), bias[:, None]], dim=1).flatten()
        return self.matrix[entries][:, entries]

    def indices(self, names: list[str]) -> torch.Tensor:
        return torch.cat([torch.arange(self.places[name].start, self.places[name].stop) for name in names])

    def block(self, rows: list[str], columns: list[str]) -> torch.Tensor:
        return self.matrix[self.indices(rows)][:, self.indices(columns)]


class PlainNorm(nn.Module):
    """
    A normalisation by its formula: the second derivatives in scale and input together that torch 2.13
    has for its own layers are wrong.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.groups = {nn.GroupNorm: "num_groups", nn.InstanceNorm2d: "num_features"}.get(type(norm))
        self.groups = self.groups and getattr(norm, self.groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.groups is None:
            return self.normal(x) * self.weight + self.bias
        maps = self.normal(x.reshape(len(x), self.groups, -1)).reshape(x.shape)
        return maps * self.weight[:, None, None] + self.bias[:, None, None]

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + self.eps).sqrt()


def by_formulas(model: nn.Module) -> nn.Module:
    for name, module in model.named_children():
        norm = isinstance(module, (nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d))
        setattr(model, name, PlainNorm(module) if norm else by_formulas(module))
    return model


def symmetric(matrix: torch.Tensor) -> torch.Tensor:
    error = (matrix - matrix.T).abs().max() / matrix.abs().max()
    if not error < 1e-12:
        raise SystemExit(f"a second derivative is unsymmetric by {error:.1e}; PyTorch got it wrong")
    return matrix


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
    return {"hessian": Whole(symmetric(hessian(mean)(flat)), sizes), "ggn": Whole(ggn, sizes)}


def array(values: np.ndarray) -> dict[str, object]:
    content = values.astype("<f8")
    return {"shape": list(content.shape), "float64": base64.b64encode(content.tobytes()).decode()}


def describe(
    name: str, parameters: list[str], curvature: str, whole: Whole, joint: bool = False
) -> dict[str, object]:
    block = (whole.joint(name) if joint else whole.block(parameters, parameters)).numpy()
    values = np.linalg.eigvalsh((block + block.T) / 2)
    vectors = np.random.default_rng(len(block)).normal(size=(PROBES, len(block)))
    return {
        "name": name,
        "parameters": parameters,
        "curvature": curvature,
        "joint": joint,
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
    double = by_formulas(copy.deepcopy(model).double().requires_grad_(False))
    torch.testing.assert_close(double(x.double()), copy.deepcopy(model).double()(x.double()))
    wholes = whole_matrices(double, case.loss, x.double(), double_labels(y))
    layers = layers_of(case.name)
    names = [name for name, _ in double.named_parameters()]
    blocks, cross = [], []
    for curvature, whole in wholes.items():
        blocks += [describe(layer, [f"{layer}.weight"], curvature, whole) for layer in layers]
        if case.name in JOINT:
            for layer in layers:
                both = [f"{layer}.weight", f"{layer}.bias"]
                blocks.append(describe(layer, both, curvature, whole, joint=True))
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
