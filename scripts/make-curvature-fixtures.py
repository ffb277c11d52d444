"""Makes worker/fixtures/curvature: programs that multiply by an exact curvature block, and its oracle.

    python3 scripts/make-curvature-fixtures.py

Needs numpy and onnx. The block is that of the weight of the first layer, [10, 12], of a network
x [12] -> ReLU -> logits [5] under the cross-entropy loss. The programs take any batch b and any
number k of vectors:
    capture.onnx   x [b, 12]                -> kl/x [b, 1, 1, 12], kl/g [b, 5, 10]
    weighted.onnx  the same, with weight [b]: samples of weight 0 have g = 0
    product.onnx   kl/x, kl/g, probe [k, 1, 10, 12] -> product, the sum over the batch
    direct.onnx    x, probe -> product: both in one
x.npy holds 203 samples, bad.npy the same with one sample that makes the logits overflow.
oracle.json holds, of the mean over all samples in float64, the eigenvalues, the first eigenvectors,
the Kronecker factors, and the norms of the block and of its difference to their product.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent.parent / "worker" / "fixtures" / "curvature"
FLOAT = TensorProto.FLOAT
IN, OUT, LOGITS, SAMPLES, TOP = 12, 10, 5, 203, 8

rng = np.random.default_rng(7)
W = rng.normal(size=(OUT, IN)).astype(np.float32) / 3
V = rng.normal(size=(LOGITS, OUT)).astype(np.float32) / 2
X = (rng.normal(size=(SAMPLES, IN)) * np.linspace(2, 0.3, IN) + 0.5).astype(np.float32)

node, value = helper.make_node, helper.make_tensor_value_info
CONSTANTS = {
    "W": W,
    "V": V,
    "eye": np.eye(LOGITS, dtype=np.float32),
    "zero": np.array(0, np.float32),
    "axis1": np.array([1], np.int64),
    "axis2": np.array([2], np.int64),
    "axes12": np.array([1, 2], np.int64),
    "rows": np.array([-1, IN], np.int64),
    "columns": np.array([IN, -1], np.int64),
    "by_vector": np.array([0, -1, OUT], np.int64),
    "flat": np.array([0, -1], np.int64),
    "block": np.array([-1, 1, OUT, IN], np.int64),
}
X_IN = value("x", FLOAT, ["b", IN])
CAPTURED = [value("kl/x", FLOAT, ["b", 1, 1, IN]), value("kl/g", FLOAT, ["b", LOGITS, OUT])]
PROBE = value("probe", FLOAT, ["k", 1, OUT, IN])
PRODUCT = value("product", FLOAT, ["k", 1, OUT, IN])


def capture(weighted: bool) -> list:
    """g = Q V diag(z > 0) with Q = diag(sqrt p)(I - 1 p^T)."""
    last = [node("Mul", ["unmasked", "mask"], ["kl/g"])]
    if weighted:
        last = [
            node("Mul", ["unmasked", "mask"], ["unweighted"]),
            node("Unsqueeze", ["weight", "axes12"], ["weight3"]),
            node("Mul", ["unweighted", "weight3"], ["kl/g"]),
        ]
    return [
        node("Gemm", ["x", "W"], ["z"], transB=1),
        node("Relu", ["z"], ["h"]),
        node("Gemm", ["h", "V"], ["f"], transB=1),
        node("Softmax", ["f"], ["p"], axis=1),
        node("Sqrt", ["p"], ["root"]),
        node("Unsqueeze", ["root", "axis2"], ["root3"]),
        node("Unsqueeze", ["p", "axis1"], ["p3"]),
        node("Sub", ["eye", "p3"], ["centred"]),
        node("Mul", ["root3", "centred"], ["Q"]),
        node("MatMul", ["Q", "V"], ["unmasked"]),
        node("Greater", ["z", "zero"], ["on"]),
        node("Cast", ["on"], ["on_float"], to=FLOAT),
        node("Unsqueeze", ["on_float", "axis1"], ["mask"]),
        *last,
        node("Unsqueeze", ["x", "axes12"], ["kl/x"]),
    ]


def product() -> list:
    """u = <g, V x>, then the sum of u g x^T."""
    return [
        node("Reshape", ["kl/x", "rows"], ["x_rows"]),
        node("Transpose", ["probe"], ["probe_t"], perm=[3, 0, 1, 2]),
        node("Reshape", ["probe_t", "columns"], ["probe_columns"]),
        node("MatMul", ["x_rows", "probe_columns"], ["y"]),
        node("Reshape", ["y", "by_vector"], ["y_by_vector"]),
        node("Transpose", ["y_by_vector"], ["y_t"], perm=[0, 2, 1]),
        node("MatMul", ["kl/g", "y_t"], ["u"]),
        node("Transpose", ["u"], ["u_t"], perm=[0, 2, 1]),
        node("MatMul", ["u_t", "kl/g"], ["t"]),
        node("Reshape", ["t", "flat"], ["t_rows"]),
        node("Transpose", ["t_rows"], ["t_t"], perm=[1, 0]),
        node("MatMul", ["t_t", "x_rows"], ["sum"]),
        node("Reshape", ["sum", "block"], ["product"]),
    ]


def save(name: str, nodes: list, inputs: list, outputs: list) -> None:
    used = {i for n in nodes for i in n.input}
    constants = [numpy_helper.from_array(v, k) for k, v in CONSTANTS.items() if k in used]
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def oracle() -> dict:
    x, w, v = (a.astype(np.float64) for a in (X, W, V))
    z = x @ w.T
    f = np.maximum(z, 0) @ v.T
    p = np.exp(f - f.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    q = np.sqrt(p)[:, :, None] * (np.eye(LOGITS) - p[:, None, :])
    g = np.einsum("bcl,lm->bcm", q, v) * (z > 0)[:, None, :]
    jacobian = np.einsum("bcm,bn->bcmn", g, x).reshape(SAMPLES * LOGITS, OUT * IN)
    block = jacobian.T @ jacobian / SAMPLES
    output = np.einsum("bcm,bcn->mn", g, g) / SAMPLES
    gram = x.T @ x / SAMPLES
    difference = block - np.kron(output, gram)
    values, vectors = np.linalg.eigh(block)
    top = vectors[:, ::-1].T[:TOP]
    top *= np.sign(top[np.arange(TOP), np.abs(top).argmax(axis=1)])[:, None]
    return {
        "eigenvalues": values[::-1].tolist(),
        "eigenvectors": top.tolist(),
        "output": output.tolist(),
        "input": gram.tolist(),
        "trace": float(np.trace(block)),
        "frobenius": float(np.sum(block**2)),
        "differenceNorm": float(np.abs(np.linalg.eigvalsh(difference)).max()),
        "differenceFrobenius": float(np.sum(difference**2)),
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    weight = value("weight", FLOAT, ["b"])
    save("capture", capture(False), [X_IN], CAPTURED)
    save("weighted", capture(True), [X_IN, weight], CAPTURED)
    save("product", product(), [*CAPTURED, PROBE], [PRODUCT])
    save("direct", [*capture(False), *product()], [X_IN, PROBE], [PRODUCT])
    np.save(FOLDER / "x.npy", X)
    bad = X.copy()
    bad[150] = 3e38
    np.save(FOLDER / "bad.npy", bad)
    (FOLDER / "oracle.json").write_text(json.dumps(oracle()) + "\n")
    print(f"{sum(path.stat().st_size for path in FOLDER.iterdir())} bytes in {FOLDER}")
