# Writes the fixtures of exact blocks: float64 oracles of exact layer blocks and of their structure.
"""
coordinator/fixtures/curvature/<case>.json, for the network and data of coordinator/fixtures/factors/<case>:

    { "samples": N, "loss": "cross-entropy" | "bce" | "mse", "outputs": c,
      "layers": [{
        "layer": PyTorch module path, "curvature": "ggn" | "hessian", "bias": "separate" | "joint",
        "outDim": m, "inDim": n (both of one group; n is one more with the bias), "groups": G,
        "dimension": d = G*m*n, "trace", "frobenius": norm of H,
        "eigenvalues": the top 20 of H, "smallest": its last one,
        "kroneckerEigenvalues": the top 20 of K,
        "eigenspaceOverlap": [k = 1 .. 20],
        "eigenvalueRatio": [k = 1 .. 20], Kronecker over exact,
        "singularValues": [[3 of Mat(h_j)], j = 1 .. 10],
        "matricisedRankRatio": [j = 1 .. 10], the first singular value of Mat(h_j) [G*m, n],
        "correspondence": { "input": [G][i < 5][j < 5], "output": alike },
        "decouplingError": { "spectral", "frobenius" },
        "outliers": { "count": r, "block": { "ratio", "position" }, "output": [G] of the same },
        "probes": { "vectors": V [3, G*m, n], "products": H V } }] }

H is the exact block of the whole weight W [G*m, n] (of [W b] where the bias is `joint`), vec row-major
in the weight's own order (oracle_curvature.py), cross-group blocks included; the mean over the N
samples. `ggn` is its Gauss-Newton part, `hessian` (for networks that are not piecewise linear behind
a layer) all of it. K is the Kronecker product of the factors E[M] (Gauss-Newton, whatever H is) and
E[x x^T], sharing `expand`, block-diagonal over groups. Lists are shorter where d is. Eigenvalues
descend algebraically. oracle_structure.py defines the measures; null: not defined, because an
eigenvalue is too close to its neighbour or to zero. r is the rank of d2 loss / d logits2: c - 1 for
cross-entropy, else c. V holds float32 values. An array (V, H V) is { "shape": [...], "float64":
base64 of its little-endian bytes, row-major }.

Usage: OMP_NUM_THREADS=1 python3 scripts/make-block-fixtures.py [--out <folder>] [--only <case>]
(one thread: the same bytes every time)
Needs: torch >= 2.9, onnx, onnxscript, onnxruntime; the factor fixtures, made on this machine.
"""

import argparse
import base64
import copy
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import oracle_structure as structure
import torch
from oracle_cases import CASES, EXPAND, JOINT, Case
from oracle_curvature import LayerLoss, block_product, dense_block
from oracle_export import folded, run
from oracle_factors import Factors, Layer, Oracle, Variant, make_oracle
from oracle_network import double_labels, make_network
from torch import nn

FIXTURES = Path(__file__).parent.parent / "coordinator" / "fixtures"
GGN, JOINT_GGN, HESSIAN = ("ggn", EXPAND), ("ggn", JOINT), ("hessian", EXPAND)
BLOCKS = {
    "mlp": (GGN, JOINT_GGN),
    "mlp-tanh": (GGN, HESSIAN),
    "lenet-small": (GGN, JOINT_GGN),
    "cnn-rich": (GGN,),
    "conv1d": (GGN,),
    "tied-parallel": (GGN,),
    "tokens": (GGN,),
    "regression": (GGN,),
    "binary": (GGN,),
}
PROBES = 3
# How far the same in float32 may be off, of the number or of 1, whichever is larger; of eigenvalues,
# relative to the largest.
FLOAT32_TOLERANCE = 2e-4
EXACT_TOLERANCE = 1e-10

Entry = dict[str, object]


@dataclass(frozen=True)
class Network:
    """A network in one precision, its data, and its factors."""

    model: nn.Module
    x: torch.Tensor
    y: torch.Tensor
    oracle: Oracle

    def loss_of(self, case: Case, index: int, variant: Variant) -> LayerLoss:
        """As a function of the weight of the layer at `index`."""
        layer = self.oracle.layers[index]
        return LayerLoss(self.model, layer, variant.bias, case.loss, self.x, self.y)

    def factors_of(self, index: int, variant: Variant) -> Factors:
        """In float64 whatever the precision they come from."""
        factors = self.oracle.factors[variant][self.oracle.layers[index].name]
        return Factors(factors.input.double(), factors.output.double(), factors.mean.double())


def network(case: Case, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Network:
    model = folded(model).requires_grad_(False)
    variants = list(dict.fromkeys(variant for _, variant in BLOCKS[case.name]))
    return Network(model, x, y, make_oracle(copy.deepcopy(model), case.loss, x, y, variants))


def array(values: torch.Tensor) -> Entry:
    content = values.numpy().astype("<f8")
    return {"shape": list(content.shape), "float64": base64.b64encode(content.tobytes()).decode()}


def measures(block: np.ndarray, factors: Factors, layer: Layer, rank: int) -> Entry:
    exact, kronecker = structure.decompose(block), structure.kronecker_eigen(factors)
    singular = structure.singular_values(exact, layer.groups * layer.out_dim)
    outputs = [structure.decompose(output.numpy()).values for output in factors.output]
    return {
        "trace": float(np.trace(block)),
        "frobenius": float(np.linalg.norm(block)),
        "eigenvalues": exact.values[: structure.TOP].tolist(),
        "smallest": float(exact.values[-1]),
        "kroneckerEigenvalues": kronecker.values[: structure.TOP].tolist(),
        "eigenspaceOverlap": structure.eigenspace_overlap(exact, kronecker),
        "eigenvalueRatio": structure.eigenvalue_ratio(exact, kronecker),
        "singularValues": singular,
        "matricisedRankRatio": [None if values is None else values[0] for values in singular],
        "correspondence": {
            side: structure.correspondence(exact, factors, side) for side in ("input", "output")
        },
        "decouplingError": structure.decoupling_error(block, structure.kronecker_block(factors)),
        "outliers": {
            "count": rank,
            "block": structure.outliers(exact.values, rank),
            "output": [structure.outliers(values, rank) for values in outputs],
        },
    }


def probes(at: LayerLoss, curvature: str, block: torch.Tensor) -> Entry:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn((PROBES, *at.weight.shape), generator=generator).double()
    products = torch.stack([block_product(at, curvature, vector) for vector in vectors])
    dense = (vectors.flatten(1) @ block).reshape(products.shape)
    torch.testing.assert_close(products, dense, rtol=EXACT_TOLERANCE, atol=EXACT_TOLERANCE)
    return {"vectors": array(vectors), "products": array(products)}


def check_kronecker(factors: Factors) -> None:
    """The products of the factors' eigenvectors are orthonormal, and eigenvectors of K itself."""
    matrix, eigen = structure.kronecker_block(factors), structure.kronecker_eigen(factors)
    identity = np.eye(len(matrix))
    np.testing.assert_allclose(eigen.vectors.T @ eigen.vectors, identity, atol=EXACT_TOLERANCE)
    moved = matrix @ eigen.vectors
    np.testing.assert_allclose(moved, eigen.vectors * eigen.values, atol=EXACT_TOLERANCE)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, float | None]]:
    """The numbers of a JSON value, each with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def check_conditioning(what: str, exact: Entry, single: Entry) -> None:
    """The same in float32 must agree, or no float32 run could: two eigenvalues nearly meet, say."""
    largest = exact["eigenvalues"][0]
    others = dict(leaves(single))
    for path, value in leaves(exact):
        other = others.get(path)
        if value is None:
            continue
        scale = largest if "igenvalues" in path or path == ".smallest" else max(1, abs(value))
        if other is None or not abs(value - other) <= FLOAT32_TOLERANCE * scale:
            raise SystemExit(f"{what}: {path} is {value} in float64 and {other} in float32")


def check_fixture(case: Case, double: Network, x: torch.Tensor, y: torch.Tensor) -> None:
    """The committed model and data are those of this network."""
    folder = FIXTURES / "factors" / case.name
    data = np.load(folder / "data.npz")
    same = np.array_equal(data["x"], x.numpy()) and np.array_equal(data["y"], y.numpy())
    logits = double.model(double.x).numpy()
    error = np.abs(run(folder / "model.onnx", x.numpy()) - logits).max() / np.abs(logits).max()
    if not (same and error < 3e-6):
        raise SystemExit(f"{folder}: not what this machine makes; run make-factor-fixtures.py first")


def describe(
    case: Case, index: int, curvature: str, variant: Variant, double: Network, single: Network
) -> Entry:
    layer = double.oracle.layers[index]
    rank = case.outputs - (case.loss == "cross-entropy")
    at = double.loss_of(case, index, variant)
    block = dense_block(at, curvature)
    if curvature == "ggn" and layer.piecewise_linear:
        torch.testing.assert_close(
            block, dense_block(at, "hessian"), rtol=EXACT_TOLERANCE, atol=EXACT_TOLERANCE
        )
    factors = double.factors_of(index, variant)
    check_kronecker(factors)
    exact = measures(block.numpy(), factors, layer, rank)
    rough = dense_block(single.loss_of(case, index, variant), curvature).double().numpy()
    check_conditioning(
        f"{case.name}, {layer.name}, {curvature}, {variant.bias} bias",
        exact,
        measures(rough, single.factors_of(index, variant), layer, rank),
    )
    return {
        "layer": layer.name,
        "curvature": curvature,
        "bias": variant.bias,
        "outDim": layer.out_dim,
        "inDim": layer.factor_in_dim(variant),
        "groups": layer.groups,
        "dimension": len(block),
        **exact,
        "probes": probes(at, curvature, block),
    }


def make(case: Case, out: Path) -> None:
    model, x, y = make_network(case)
    double = network(case, copy.deepcopy(model).double(), x.double(), double_labels(y))
    single = network(case, model, x, y)
    check_fixture(case, double, x, y)
    entries = [
        describe(case, index, curvature, variant, double, single)
        for curvature, variant in BLOCKS[case.name]
        for index in range(len(double.oracle.layers))
    ]
    content = {
        "samples": case.samples,
        "loss": case.loss,
        "outputs": case.outputs,
        "layers": entries,
    }
    path = out / f"{case.name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{case.name}: {len(entries)} blocks, {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=FIXTURES / "curvature")
    parser.add_argument("--only", choices=BLOCKS, help="make this case alone")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Using padding='same'")
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        if case.name in BLOCKS and options.only in (None, case.name):
            make(case, options.out)


if __name__ == "__main__":
    main()
