# Exports a network to ONNX the ways that users do, and checks the files against the network.
import copy
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def export_all(model: nn.Module, x: torch.Tensor, folder: Path, exports: tuple[str, ...]) -> list[str]:
    """Writes model.onnx and model.<export>.onnx for `exports`; returns the files' names."""
    export(model, x[:2], folder / "model.onnx", dynamic=True)
    for kind in exports:
        path = folder / f"model.{kind}.onnx"
        if kind.startswith("batch"):
            export(model, x[: int(kind.removeprefix("batch"))], path, dynamic=False)
        else:
            export_torchscript(model, x[:2], path, int(kind.removeprefix("torchscript")))
    return ["model.onnx", *(f"model.{kind}.onnx" for kind in exports)]


def export(model: nn.Module, example: torch.Tensor, path: Path, dynamic: bool) -> None:
    """By the current exporter, at its default opset, weights inside the file."""
    program = torch.onnx.export(
        model,
        (example,),
        input_names=["x"],
        output_names=["logits"],
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},) if dynamic else None,
        verbose=False,
    )
    proto = program.model_proto
    for node in proto.graph.node:
        # Stack traces hold the paths of the machine that exported the model.
        kept = [entry for entry in node.metadata_props if entry.key != "pkg.torch.onnx.stack_trace"]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    onnx.save(proto, path)


def export_torchscript(model: nn.Module, example: torch.Tensor, path: Path, opset: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            str(path),
            input_names=["x"],
            output_names=["logits"],
            dynamo=False,
            opset_version=opset,
            dynamic_axes={"x": {0: "batch"}, "logits": {0: "batch"}},
        )


def folded(model: nn.Module) -> nn.Module:
    """A copy in which the BatchNorms that `model.FOLDED` names are folded into their convolutions."""
    model = copy.deepcopy(model)
    for convolution, norm in getattr(model, "FOLDED", ()):
        first, second = getattr(model, convolution), getattr(model, norm)
        transposed = isinstance(first, nn.ConvTranspose2d)
        setattr(model, convolution, fuse_conv_bn_eval(first, second, transposed))
        setattr(model, norm, nn.Identity())
    return model


def ops_of(path: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for node in onnx.load(path).graph.node:
        op = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        counts[op] = counts.get(op, 0) + 1
    return dict(sorted(counts.items()))


def run(path: Path, x: np.ndarray) -> np.ndarray:
    """Logits by ONNX Runtime, in the batches that the file allows."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batch = session.get_inputs()[0].shape[0]
    if not isinstance(batch, int):
        return session.run(None, {"x": x})[0]
    pad = -len(x) % batch
    padded = np.concatenate([x, np.repeat(x[:1], pad, axis=0)])
    parts = [session.run(None, {"x": part})[0] for part in np.split(padded, len(padded) // batch)]
    return np.concatenate(parts)[: len(x)]


def strip(proto: onnx.ModelProto) -> None:
    """Leaves out stack traces, which hold the paths of the machine that exported the model."""
    for node in proto.graph.node:
        kept = [entry for entry in node.metadata_props if entry.key == "pkg.torch.onnx.name_scopes"]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        node.doc_string = ""
    for value in [*proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer]:
        del value.metadata_props[:]
    del proto.graph.metadata_props[:]
