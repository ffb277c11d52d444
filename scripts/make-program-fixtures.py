"""Makes worker/fixtures/programs: small ONNX models for the tests of program and evaluate tasks.

    python3 scripts/make-program-fixtures.py

Needs numpy and onnx. The models take any batch b:
    x [b, 3], y int64 [b] in 0..2, u [2, b], and, in weighted.onnx, weight [b]
and yield sums over the batch of  x x^T ("gram"), log(x[0]) ("logs": NaN where x[0] < 0), one-hot
labels ("labels"), u ("noise"); and per sample 2 x ("rows"). types.onnx casts its float32 input to
every type; identity.onnx passes an input of every type on; external.onnx has external data.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent.parent / "worker" / "fixtures" / "programs"
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def save(name: str, nodes: list, inputs: list, outputs: list, constants: dict) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, name, inputs, outputs, [numpy_helper.from_array(v, k) for k, v in constants.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    return model


def program(name: str, weighted: bool) -> None:
    node, value = helper.make_node, helper.make_tensor_value_info
    inputs = [value("x", FLOAT, ["b", 3]), value("y", INT64, ["b"]), value("u", FLOAT, [2, "b"])]
    weigh = []
    weighed = {"x": "x", "hot": "hot", "u": "u", "log": "log"}
    if weighted:
        inputs.append(value("weight", FLOAT, ["b"]))
        weighed = {k: f"{k}_weighed" for k in weighed}
        weigh = [
            node("Unsqueeze", ["weight", "one"], ["column"]),
            node("Mul", ["x", "column"], ["x_weighed"]),
            node("Mul", ["hot", "column"], ["hot_weighed"]),
            node("Mul", ["u", "weight"], ["u_weighed"]),
            node("Mul", ["log", "column"], ["log_weighed"]),
        ]
    nodes = [
        node("OneHot", ["y", "three", "off_on"], ["hot"]),
        node("Slice", ["x", "zero", "one", "one"], ["x0"]),
        node("Log", ["x0"], ["log"]),
        *weigh,
        node("Transpose", [weighed["x"]], ["xt"], perm=[1, 0]),
        node("MatMul", ["xt", "x"], ["gram"]),
        node("ReduceSum", [weighed["log"]], ["logs_flat"], keepdims=0),
        node("Reshape", ["logs_flat", "one"], ["logs"]),
        node("ReduceSum", [weighed["hot"], "zero"], ["labels"], keepdims=0),
        node("ReduceSum", [weighed["u"], "one"], ["noise"], keepdims=0),
        node("Mul", ["x", "two"], ["rows"]),
    ]
    outputs = [
        value("gram", FLOAT, [3, 3]),
        value("logs", FLOAT, [1]),
        value("labels", FLOAT, [3]),
        value("noise", FLOAT, [2]),
        value("rows", FLOAT, ["b", 3]),
    ]
    constants = {
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "three": np.array(3, np.int64),
        "off_on": np.array([0, 1], np.float32),
        "two": np.array(2, np.float32),
    }
    save(name, nodes, inputs, outputs, constants)


def types() -> None:
    names = ["FLOAT16", "DOUBLE", "INT8", "INT16", "INT32", "INT64"]
    names += ["UINT8", "UINT16", "UINT32", "UINT64", "BOOL", "STRING"]
    kinds = {name.lower(): getattr(TensorProto, name) for name in names}
    nodes = [helper.make_node("Cast", ["x"], [k], to=v) for k, v in kinds.items()]
    value = helper.make_tensor_value_info
    outputs = [value(k, v, ["n"]) for k, v in kinds.items()]
    save("types", nodes, [value("x", FLOAT, ["n"])], outputs, {})


def identity() -> None:
    kinds = {"float32": FLOAT, "float64": TensorProto.DOUBLE, "float16": TensorProto.FLOAT16}
    for bits in [8, 16, 32, 64]:
        for kind in ["int", "uint"]:
            kinds[f"{kind}{bits}"] = getattr(TensorProto, f"{kind}{bits}".upper())
    kinds["bool"] = TensorProto.BOOL
    nodes = [helper.make_node("Identity", [k], [f"{k}_again"]) for k in kinds]
    value = helper.make_tensor_value_info
    inputs = [value(k, v, ["n"]) for k, v in kinds.items()]
    outputs = [value(f"{k}_again", v, ["n"]) for k, v in kinds.items()]
    save("identity", nodes, inputs, outputs, {})


def external() -> None:
    value = helper.make_tensor_value_info
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    model = save(
        "external",
        [helper.make_node("MatMul", ["x", "w"], ["z"])],
        [value("x", FLOAT, ["b", 3])],
        [value("z", FLOAT, ["b", 2])],
        {"w": weight},
    )
    (FOLDER / "external.data").unlink(missing_ok=True)
    onnx.save(
        model,
        FOLDER / "external.onnx",
        save_as_external_data=True,
        location="external.data",
        size_threshold=0,
    )


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    program("plain", weighted=False)
    program("weighted", weighted=True)
    types()
    identity()
    external()
    print(f"{sum(path.stat().st_size for path in FOLDER.iterdir())} bytes in {FOLDER}")
