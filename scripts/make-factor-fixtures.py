# Writes the factor fixtures: small ONNX models, their data, and float64 oracles from torch.func.
"""
coordinator/fixtures/factors/<case>/

    model.onnx             by PyTorch's current exporter, free batch axis
    model.batch1.onnx ...  the same network by other exports (some cases), all with this oracle
    data.npz               x float32 [N, ...]; y int64 [N], or float32 [N, outputs] for bce and mse
    oracle.json            what follows

oracle.json; every mean is over the N samples, every number float64:

    { "samples": N, "loss": "cross-entropy" | "bce" | "mse", "outputs": c,
      "models": [{ "file", "ops": { op: count } }],
      "lossMean": l, "accuracy": a (null for mse; all outputs right for bce),
      "layers": [{ "name": PyTorch module path, "outDim": m, "inDim": n (of one group), "groups",
                   "positions": P (summed over uses), "uses", "bias", "piecewiseLinear":
                   whether the layer's Hessian is its Gauss-Newton block }],
      "variants": [{ "sharing", "bias", "curvature" (as on the command line), "factors": [{
          "layer": name, "group": g,
          "input": E[x x^T] [n, n], "output": E[M] [m, m], "mean": E[x] [n],
          "inputEigenvalues": [n], "outputEigenvalues": [m] (descending) }] }],
      "exactBlocks": [{ "layer": name, "hessian": d2 loss / dW2 [m*n, m*n], vec row-major }] }

An array is { "shape": [...], "float64": base64 of its little-endian bytes, row-major }. A variant
leaves out what it shares with the first one (expand, separate, ggn): `fisher-empirical` has only
the output, `joint` only the input and the mean. `joint` appends a 1 behind x where there is a bias.

expand: E[sum_p x_p x_p^T], E[(1/P) sum_p M_pp], E[(1/P) sum_p x_p]. reduce: xbar = (1/P) sum_p x_p,
E[xbar xbar^T], E[M] of gbar = sum_p g_p. M = J^T A J with A = d2 loss / d logits2, or the gradient's
outer product for fisher-empirical. A BatchNorm behind a convolution is folded into it, as the
exporters do: z is then what the BatchNorm puts out.

Usage: python3 scripts/make-factor-fixtures.py [--out <folder>] [--only <case>] [--ops]
Needs: torch >= 2.9, onnx, onnxscript, onnxruntime.
"""

import argparse
import copy
import json
import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from oracle_arrays import array, eigenvalues
from oracle_cases import CASES, Case
from oracle_export import export_all, folded, ops_of, run
from oracle_factors import Factors, Oracle, Variant, exact_block, make_oracle
from oracle_network import double_labels, make_network

FOLDER = Path(__file__).parent.parent / "coordinator" / "fixtures" / "factors"
FLOAT32_TOLERANCE = 3e-6


def factor_entries(variant: Variant, factors: dict[str, Factors]) -> list[dict[str, object]]:
    entries = []
    for layer, factor in factors.items():
        for group in range(len(factor.input)):
            entry: dict[str, object] = {"layer": layer, "group": group}
            if variant.curvature == "ggn":
                entry["input"] = array(factor.input[group])
                entry["mean"] = array(factor.mean[group])
                entry["inputEigenvalues"] = eigenvalues(factor.input[group])
            if variant.bias == "separate":
                entry["output"] = array(factor.output[group])
                entry["outputEigenvalues"] = eigenvalues(factor.output[group])
            entries.append(entry)
    return entries


def describe(case: Case, oracle: Oracle, models: list[dict[str, object]]) -> dict[str, object]:
    return {
        "samples": case.samples,
        "loss": case.loss,
        "outputs": case.outputs,
        "models": models,
        "lossMean": oracle.loss,
        "accuracy": oracle.accuracy,
        "layers": [
            {
                "name": layer.name,
                "outDim": layer.out_dim,
                "inDim": layer.in_dim,
                "groups": layer.groups,
                "positions": layer.positions,
                "uses": layer.uses,
                "bias": layer.bias,
                "piecewiseLinear": layer.piecewise_linear,
            }
            for layer in oracle.layers
        ],
        "variants": [
            {
                "sharing": variant.sharing,
                "bias": variant.bias,
                "curvature": variant.curvature,
                "factors": factor_entries(variant, factors),
            }
            for variant, factors in oracle.factors.items()
        ],
    }


def check_conditioning(case: Case, exact: Oracle, single: Oracle) -> None:
    """The same in float32 must agree, or no float32 run could: a unit sits on a kink, say."""
    for variant, factors in exact.factors.items():
        for layer, factor in factors.items():
            other = single.factors[variant][layer]
            for what in ("input", "output", "mean"):
                a, b = getattr(factor, what), getattr(other, what).double()
                error = ((a - b).norm() / a.norm()).item()
                if not error < FLOAT32_TOLERANCE:
                    raise SystemExit(f"{case.name}: {what} of {layer} is off by {error:.1e} in float32")


def check_exact(case: Case, oracle: Oracle, blocks: dict[str, torch.Tensor]) -> None:
    """One sample and one position: the Kronecker product is the exact block."""
    for layer, block in blocks.items():
        factor = next(iter(oracle.factors.values()))[layer]
        torch.testing.assert_close(torch.kron(factor.output[0], factor.input[0]), block)


def make(case: Case, out: Path, show_ops: bool) -> None:
    model, x, y = make_network(case)
    folder = out / case.name
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "data.npz", x=x.numpy(), y=y.numpy())
    files = export_all(model, x, folder, case.exports)

    double = folded(copy.deepcopy(model).double()).requires_grad_(False)
    labels = double_labels(y)
    oracle = make_oracle(copy.deepcopy(double), case.loss, x.double(), labels, list(case.variants))
    single = make_oracle(folded(model), case.loss, x, y, list(case.variants))
    check_conditioning(case, oracle, single)
    logits = double(x.double()).detach().numpy()
    for file in files:
        error = np.abs(run(folder / file, x.numpy()) - logits).max() / np.abs(logits).max()
        if not error < FLOAT32_TOLERANCE:
            raise SystemExit(f"{folder / file}: its logits are off by {error:.1e}")
    models = [{"file": file, "ops": ops_of(folder / file)} for file in files]
    content = describe(case, oracle, models)
    if case.exact:
        blocks = {
            layer.name: exact_block(double, layer, case.loss, x.double(), labels)
            for layer in oracle.layers
        }
        check_exact(case, oracle, blocks)
        content["exactBlocks"] = [
            {"layer": name, "hessian": array(block)} for name, block in blocks.items()
        ]
    (folder / "oracle.json").write_text(json.dumps(content, indent=1) + "\n")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{case.name}: loss {oracle.loss:.4f}, accuracy {oracle.accuracy}, {size / 1000:.0f} kB")
    for entry in models if show_ops else []:
        print(f"  {entry['file']}: " + ", ".join(f"{op} {n}" for op, n in entry["ops"].items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--only", help="make this case alone")
    parser.add_argument("--ops", action="store_true", help="list the ops that the exporters wrote")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    # The fused kernel of attention has no second derivative.
    torch.backends.cuda.enable_flash_sdp(False)
    for case in CASES:
        if options.only in (None, case.name):
            make(case, options.out, options.ops)


if __name__ == "__main__":
    main()
