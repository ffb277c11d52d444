"""Writes the backend node tests of the onnx package that hold tensors alone: python3 scripts/make-node-tests.py <folder>

Each test gets a folder in the standard layout (model.onnx, test_data_set_0/input_0.pb, output_0.pb, ...), so that a
checkout of onnx (onnx/backend/test/data/node) serves instead. Tests with sequences, maps or optional values get their
model alone. The package's version is printed.
"""

import sys
import warnings
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper


def tensor_bytes(value, name):
    if not isinstance(value, TensorProto):
        value = numpy_helper.from_array(value, name)
    return value.SerializeToString()


def holds_tensors(case):
    return all(value.type.HasField("tensor_type") for value in [*case.model.graph.input, *case.model.graph.output])


def write(case, folder):
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    if not holds_tensors(case):
        return
    for number, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{number}"
        data.mkdir()
        for kind, values, declared in [
            ("input", inputs, case.model.graph.input),
            ("output", outputs, case.model.graph.output),
        ]:
            for index, value in enumerate(values):
                (data / f"{kind}_{index}.pb").write_bytes(tensor_bytes(value, declared[index].name))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    warnings.simplefilter("ignore")
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        write(case, Path(sys.argv[1]) / case.name)
    print(onnx.__version__)


main()
