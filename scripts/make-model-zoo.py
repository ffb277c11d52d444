# Exports models of the zoo with random weights, and writes PyTorch's names and gradients beside them.
"""
<out>/<model>/
    current.onnx, torchscript.onnx    by PyTorch's current exporter, and by the TorchScript one
    data.npz        x [N, ...] or input_ids and attention_mask [N, T]; y [N] or [N, T] (-100: ignored)
    expected.json   loss, layers (modules that multiply by a weight, with their parameter's name),
                    parameters (name, offset and count in gradients.bin; tied ones under all their
                    names), and for every file the convolutions whose normalisation is `folded` into
                    them, the normalisations that are gone with it, other parameters that are `absent`
                    since the exporter has computed with them, and where PyTorch's own `float32` gradients of
                    networks that differ from this one by rounding are off by more than 1e-5, by how much
    gradients.bin   float32, little-endian: the float64 gradients of the mean loss, one behind the other;
                    `<convolution>.weight@folded` where a normalisation follows

All parameters and statistics get noise: exporters make equal initializers one.

Usage: python3 scripts/make-model-zoo.py --out <folder> [--only resnet18,bert] [--samples 3] [--seed 0]
       python3 scripts/make-model-zoo.py --narrow         (makes coordinator/fixtures/zoo)
Needs: torch >= 2.9, torchvision, transformers, timm, onnx, onnxscript, onnxruntime.
"""

import argparse
import json
import logging
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx.external_data_helper import convert_model_to_external_data
from oracle_export import strip
from oracle_gradients import Oracle, float32_errors, make_oracle
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from zoo_models import NARROW, ZOO, ZooModel

FIXTURES = Path(__file__).parent.parent / "coordinator" / "fixtures" / "zoo"
LOGITS_TOLERANCE = 1e-3
OPSET = 17
NOTABLE = 1e-5
"""Smaller relative errors of PyTorch's own float32 gradients are not recorded."""


def make_network(entry: ZooModel, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model = entry.make().eval().requires_grad_(True)
    with torch.no_grad():
        for parameter in model.parameters():
            spread = 0.1 if parameter.ndim < 2 else 0.1 * parameter.std() + 1e-3
            parameter += spread * torch.randn_like(parameter)
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.7, 1.4)
            if isinstance(module, nn.Embedding):
                # PyTorch's gradient leaves this row out where its token is looked up, which no file can say.
                module.padding_idx = None
    return model


def save(proto: onnx.ModelProto, path: Path, large: bool) -> None:
    strip(proto)
    if large:
        convert_model_to_external_data(proto, location=f"{path.name}.data", size_threshold=1024)
        (path.parent / f"{path.name}.data").unlink(missing_ok=True)
    onnx.save(proto, path)


def export_current(model: nn.Module, inputs: dict[str, torch.Tensor], path: Path, large: bool) -> None:
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        model,
        tuple(inputs.values()),
        input_names=list(inputs),
        output_names=["logits"],
        dynamo=True,
        dynamic_shapes=tuple({0: batch} for _ in inputs),
        verbose=False,
    )
    save(program.model_proto, path, large)


def export_torchscript(model: nn.Module, inputs: dict[str, torch.Tensor], path: Path, large: bool) -> None:
    torch.onnx.export(
        model,
        tuple(inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=["logits"],
        dynamo=False,
        opset_version=OPSET,
        dynamic_axes={name: {0: "batch"} for name in [*inputs, "logits"]},
    )
    save(onnx.load(path), path, large)


EXPORTERS = {"current": export_current, "torchscript": export_torchscript}


def contents(path: Path, oracle: Oracle) -> dict[str, list[str]]:
    """What the file has no longer."""
    proto = onnx.load(path, load_external_data=False)
    names = {initializer.name for initializer in proto.graph.initializer}
    folded = [name for name, norm in oracle.norms.items() if f"{norm}.running_mean" not in names]
    there = names | {oracle.aliases[name] for name in names & set(oracle.aliases)}
    return {
        "folded": folded,
        "gone": [oracle.norms[name] for name in folded],
        "absent": [name for name in oracle.plain if name not in there],
    }


def logits_error(path: Path, inputs: dict[str, torch.Tensor], logits: np.ndarray) -> float:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: x.numpy() for name, x in inputs.items()})[0]
    return float(np.abs(found - logits).max() / np.abs(logits).max())


def write_gradients(folder: Path, oracle: Oracle) -> list[dict[str, object]]:
    entries, offset = [], 0
    arrays = dict(oracle.gradients)
    for name, gradients in oracle.folded.items():
        arrays.update({f"{name}.{part}@folded": g for part, g in gradients.items()})
    with open(folder / "gradients.bin", "wb") as file:
        for name, gradient in arrays.items():
            file.write(gradient.float().numpy().astype("<f4").tobytes())
            entries.append({"name": name, "offset": offset, "count": gradient.numel()})
            offset += gradient.numel()
    places = {entry["name"]: entry for entry in entries}
    return [*entries, *({**places[first], "name": name} for name, first in oracle.aliases.items())]


def make(name: str, entry: ZooModel, out: Path, samples: int, seed: int) -> None:
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    model = make_network(entry, seed)
    inputs, y = entry.data(samples)
    np.savez_compressed(folder / "data.npz", **{key: x.numpy() for key, x in inputs.items()}, y=y.numpy())
    started = time.process_time()
    with torch.no_grad():
        logits = model(*inputs.values()).numpy()
    oracle = make_oracle(model, tuple(inputs.values()), y)
    print(f"{name}: loss {oracle.loss:.4f}, {time.process_time() - started:.0f} s", flush=True)
    content: dict[str, object] = {
        "samples": samples,
        "loss": oracle.loss,
        "layers": [{"name": layer, "weight": weight} for layer, weight in oracle.layers.items()],
        "parameters": write_gradients(folder, oracle),
    }
    files: list[dict[str, object]] = []
    for exporter, export in EXPORTERS.items():
        path = folder / f"{exporter}.onnx"
        started = time.process_time()
        try:
            export(model, inputs, path, entry.large)
            error = logits_error(path, inputs, logits)
            if not error < LOGITS_TOLERANCE:
                raise ValueError(f"its logits are off by {error:.1e}")
        except Exception as cause:
            path.unlink(missing_ok=True)
            reason = str(cause).strip().split("\n")[0][:200]
            files.append({"exporter": exporter, "failure": f"{type(cause).__name__}: {reason}"})
            print(f"  {exporter}: {files[-1]['failure']}", flush=True)
            continue
        held = contents(path, oracle)
        errors = float32_errors(model, tuple(inputs.values()), y, oracle, held["folded"])
        notable = {parameter: error for parameter, error in errors.items() if error > NOTABLE}
        float32 = {"float32": notable} if notable else {}
        files.append({"exporter": exporter, "file": path.name, **held, **float32})
        print(f"  {exporter}: logits {error:.1e}, {time.process_time() - started:.0f} s", flush=True)
    (folder / "expected.json").write_text(json.dumps({**content, "models": files}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="", help="these models alone, separated by commas")
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of weights, statistics and data")
    parser.add_argument("--narrow", action="store_true", help="the narrow ones, for the tests")
    options = parser.parse_args()
    out = options.out or (FIXTURES if options.narrow else None)
    if out is None:
        parser.error("--out says where the models go")
    warnings.filterwarnings("ignore")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    models = NARROW if options.narrow else ZOO
    only = [name for name in options.only.split(",") if name]
    for unknown in set(only) - set(models):
        parser.error(f"there is no {unknown}; there are {', '.join(models)}")
    for name, entry in models.items():
        if not only or name in only:
            make(name, entry, out, options.samples, options.seed)


if __name__ == "__main__":
    main()
