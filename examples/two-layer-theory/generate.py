"""Writes random two-layer networks of growing width as ONNX, and inputs for them.

    python3 generate.py <folder> [width ...]

Needs numpy and onnx. For each width n: two-layer-<n>.onnx with fc1 [n, d] of N(0, 1/d), ReLU and fc2
[5, n] of N(0, 1/n), no biases, d = n^1.25; x-<n>.npy, 4,096 samples of max(N(0, I_d), 0).
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES, SAMPLES, EXPONENT = 5, 4096, 1.25
WIDTHS = (16, 32, 64, 128, 256)


def write(folder: Path, n: int) -> None:
    rng = np.random.default_rng(n)
    d = round(n**EXPONENT)
    weights = {
        "fc1.weight": rng.normal(scale=d**-0.5, size=(n, d)),
        "fc2.weight": rng.normal(scale=n**-0.5, size=(CLASSES, n)),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "fc1.weight"], ["z"], transB=1),
        helper.make_node("Relu", ["z"], ["h"]),
        helper.make_node("Gemm", ["h", "fc2.weight"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "two-layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", d])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, folder / f"two-layer-{n}.onnx")
    x = np.maximum(rng.normal(size=(SAMPLES, d)), 0).astype(np.float32)
    np.save(folder / f"x-{n}.npy", x)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for width in map(int, sys.argv[2:] or WIDTHS):
        write(target, width)
