# Runs an ONNX model of float64 values: ONNX Runtime has no float64 kernels for convolutions and pools.
"""
onnx's reference evaluator, which is NumPy, with PyTorch in the place of its slowest ops: an implementation of
the standard that shares no code with ONNX Runtime. `check-model-zoo.js` calls it for gradients that float32
cannot decide.

Usage: python3 scripts/run-in-double.py <model.onnx> <feeds> <out>
    feeds: a file `<index>.npy` for each of the model's inputs; out: gets one for each of its outputs
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from torch.nn import functional as F

CONVOLUTIONS = [F.conv1d, F.conv2d, F.conv3d]
TRANSPOSED = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d]
MAX_POOLS = [F.max_pool1d, F.max_pool2d, F.max_pool3d]


def padded(x: np.ndarray, pads: list[int] | None, fill: float) -> torch.Tensor:
    """With `pads` (all begins, then all ends) around the spatial axes."""
    rank = x.ndim - 2
    pads = pads or [0] * (2 * rank)
    both = [side for axis in reversed(range(rank)) for side in (pads[axis], pads[axis + rank])]
    return F.pad(torch.from_numpy(x), both, value=fill)


def explicit(auto_pad: str | None) -> None:
    if auto_pad not in (None, "NOTSET", "VALID"):
        raise NotImplementedError(f"auto_pad {auto_pad}")


class Conv(OpRun):
    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=1, kernel_shape=None, pads=None, strides=None):
        explicit(auto_pad)
        rank = x.ndim - 2
        bias = None if b is None else torch.from_numpy(b)
        out = CONVOLUTIONS[rank - 1](
            padded(x, pads, 0), torch.from_numpy(w), bias, strides or 1, 0, dilations or 1, group or 1
        )
        return (out.numpy(),)


class ConvTranspose(OpRun):
    def _run(
        self, x, w, b=None, auto_pad=None, dilations=None, group=1, kernel_shape=None, output_padding=None,
        output_shape=None, pads=None, strides=None,
    ):
        explicit(auto_pad)
        if output_shape:
            raise NotImplementedError("output_shape")
        rank = x.ndim - 2
        pads = pads or [0] * (2 * rank)
        full = TRANSPOSED[rank - 1](
            torch.from_numpy(x), torch.from_numpy(w), None, strides or 1, 0, 0, group or 1, dilations or 1
        )
        extra = output_padding or [0] * rank
        # Output padding may exceed the stride here, which PyTorch does not take.
        full = F.pad(full, [side for size in reversed(extra) for side in (0, size)])
        for axis in range(rank):
            size = full.shape[axis + 2] - pads[axis] - pads[axis + rank]
            full = full.narrow(axis + 2, pads[axis], size)
        out = full.numpy()
        return (out if b is None else out + b.reshape(-1, *[1] * rank),)


class MaxPool(OpRun):
    def _run(
        self, x, auto_pad=None, ceil_mode=0, dilations=None, kernel_shape=None, pads=None, storage_order=0, strides=None
    ):
        explicit(auto_pad)
        rank = x.ndim - 2
        wide = padded(x, pads, float("-inf"))
        out, indices = MAX_POOLS[rank - 1](
            wide, kernel_shape, strides or 1, 0, dilations or 1, bool(ceil_mode), return_indices=True
        )
        if len(self.output) == 1:
            return (out.numpy(),)
        # Within a padded map each; the standard's count through all maps without the pads.
        places = np.unravel_index(indices.numpy(), tuple(wide.shape[2:]))
        places = [place - begin for place, begin in zip(places, pads or [0] * rank)]
        maps = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * rank)
        within = np.ravel_multi_index(places, x.shape[2:])
        return out.numpy(), within + maps * int(np.prod(x.shape[2:]))


class ScatterElements(OpRun):
    def _run(self, data, indices, updates, axis=0, reduction=None):
        if reduction not in (None, "none", "add"):
            raise NotImplementedError(f"reduction {reduction}")
        size = data.shape[axis]
        places = torch.from_numpy(np.where(indices < 0, indices + size, indices).astype(np.int64))
        out, values = torch.from_numpy(data.copy()), torch.from_numpy(updates)
        return ((out.scatter_add_ if reduction == "add" else out.scatter_)(axis, places, values).numpy(),)


class Erf(OpRun):
    def _run(self, x):
        return (torch.erf(torch.from_numpy(x)).numpy(),)


OPS = [Conv, ConvTranspose, MaxPool, ScatterElements, Erf]


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__.split("Usage: ")[1])
    model, feeds, out = (Path(argument) for argument in sys.argv[1:])
    evaluator = ReferenceEvaluator(onnx.load(model), new_ops=OPS)
    given = {name: np.load(feeds / f"{index}.npy") for index, name in enumerate(evaluator.input_names)}
    for index, value in enumerate(evaluator.run(None, given)):
        np.save(out / f"{index}.npy", np.ascontiguousarray(value))


main()
