# Writes the measure fixtures: float64 oracles of the heuristic, of class means and of the full Hessian.
"""
coordinator/fixtures/measures/<case>.json, for the model and data of coordinator/fixtures/factors/<case>;
the weights are those of model.onnx:

    { "samples": N, "loss", "outputs": c,
      "heuristics": [{ "layer", "relus", "rank": r (dimensions of the heuristic space),
                       "heuristicOverlap", "surrogateOverlap", "surrogateError" }],
      "classMeans": [{ "layer", "counts": [classes], "gammaShare", "deltaShare", "deltaShareJoint",
                       "gamma": [classes][c][G*m], "deltaNorms": squares, [classes][c] }],
      "fullHessian": { "dimension", "outputDimension", "eigenvalues": the top 10 of the Gauss-Newton
                       matrix of all weights and biases, "outputEigenvalues": of E[G^T A G],
                       "approximateEigenvalues", "overlap": [k = 1 .. 10], null where undefined } }

oracle_measures.py defines them. Usage: OMP_NUM_THREADS=1 python3 scripts/make-measure-fixtures.py
Needs: torch >= 2.9, onnx, onnxscript, onnxruntime; the factor fixtures.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from oracle_cases import CASES, Case
from oracle_export import folded, run
from oracle_measures import class_means, full_hessian, heuristics, samples_of
from torch import nn

FIXTURES = Path(__file__).parent.parent / "coordinator" / "fixtures"
"""Those whose linear layers make a chain to the logits have heuristics."""
CHAINS = {"mlp", "lenet-small", "binary", "regression", "multilabel"}
MADE = CHAINS | {"cnn-rich", "tokens"}


def stored_network(case: Case) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """The network with the weights of its ONNX file, in float64."""
    folder = FIXTURES / "factors" / case.name
    data = np.load(folder / "data.npz")
    model = folded(case.make().eval()).double()
    proto = onnx.load(folder / "model.onnx")
    stored = {entry.name: onnx.numpy_helper.to_array(entry) for entry in proto.graph.initializer}
    state = model.state_dict()
    for key, value in state.items():
        if key.endswith(".bias") and f"{key.removesuffix('bias')}weight_bias" in stored:
            stored[key] = stored[f"{key.removesuffix('bias')}weight_bias"]
        if key not in stored and value.ndim == 2:
            # Weights of linear layers on tokens are transposed and have lost their names.
            found = [v for v in stored.values() if v.shape == tuple(value.shape[::-1])]
            (transposed,) = found
            stored[key] = transposed.T
    for key in state:
        if not key.endswith("num_batches_tracked"):
            state[key] = torch.from_numpy(np.array(stored[key])).double()
    model.load_state_dict(state)
    model.requires_grad_(False)
    x, y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"])
    logits = model(x.double()).numpy()
    np.testing.assert_allclose(run(folder / "model.onnx", data["x"]), logits, rtol=1e-4, atol=1e-5)
    return model, x.double(), y.double() if y.is_floating_point() else y


def make(case: Case) -> None:
    model, x, y = stored_network(case)
    layers, samples = samples_of(model, case.loss, x, y)
    content: dict[str, object] = {"samples": len(x), "loss": case.loss, "outputs": case.outputs}
    if case.name in CHAINS:
        content["heuristics"] = heuristics(model, layers, samples, case.loss)
    if case.loss == "cross-entropy" or (case.loss == "bce" and case.outputs == 1):
        labels = [int(label) for label in y.flatten()]
        content["classMeans"] = class_means(layers, samples, labels, max(2, case.outputs))
    content["fullHessian"] = full_hessian(layers, samples)
    path = FIXTURES / "measures" / f"{case.name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content) + "\n")
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in CASES:
        if each.name in MADE:
            make(each)
