# Writes the factor fixtures of models on token ids: a small GPT-2 and a small BERT from transformers.
"""
coordinator/fixtures/factors/<case>/ as make-factor-fixtures.py writes it, with these differences:

    data.npz        input_ids, attention_mask int64 [N, T]; y int64 [N, T] (-100: ignored), or [N]
    inputs.npz      the same without y, for variants without labels
    oracle.json     also "countedTokens" (null for one row of logits a sample); variants also have
                    "tokenLoss" and "labels" (whether labels are given); "affine": eigenvalues of the
                    Gauss-Newton blocks of biases and normalisations, with the first variant's loss;
                    layers that a file does not have are its "absent" ones

Weights are random, no two alike: the exporter makes equal initializers one. The attention mask ends
some samples early; their labels are ignored there.

Usage: python3 scripts/make-token-fixtures.py [--out <folder>] [--only <case>]
Needs: torch >= 2.9, transformers, onnx, onnxscript, onnxruntime.
"""

import argparse
import copy
import json
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from oracle_arrays import array, eigenvalues
from oracle_export import strip
from oracle_tokens import IGNORED, TokenOracle, TokenVariant, affine_blocks, make_token_oracle
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2LMHeadModel

FOLDER = Path(__file__).parent.parent / "coordinator" / "fixtures" / "factors"
SAMPLES = 19
TOKENS = 5
FLOAT32_TOLERANCE = 3e-6
# Summed over positions, the gradients of keys vanish: softmax does not feel a shift of all its inputs.
ZERO = 1e-14


class Gpt2(nn.Module):
    """Fused, transposed q/k/v; the output projection is the embedding."""

    classes = 11
    per_token = True
    # Its ids are constants: the current exporter leaves no Gather.
    absent = ("model.transformer.wpe",)
    variants = (
        TokenVariant(),
        TokenVariant(sharing="reduce"),
        TokenVariant(token_loss="sum"),
        TokenVariant(curvature="fisher-empirical"),
        TokenVariant(labels=False),
    )

    def __init__(self) -> None:
        super().__init__()
        config = GPT2Config(vocab_size=11, n_positions=8, n_embd=6, n_layer=1, n_head=2, n_inner=10,
                            attn_implementation="eager")
        self.model = GPT2LMHeadModel(config)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits


class Bert(nn.Module):
    """Separate q, k and v; a classifier on the first token."""

    classes = 4
    per_token = False
    absent = ("model.bert.embeddings.position_embeddings",)
    variants = (TokenVariant(), TokenVariant(sharing="reduce"))

    def __init__(self) -> None:
        super().__init__()
        config = BertConfig(vocab_size=13, hidden_size=6, num_hidden_layers=1, num_attention_heads=2,
                            intermediate_size=9, max_position_embeddings=8, num_labels=4,
                            attn_implementation="eager")
        self.model = BertForSequenceClassification(config)
        # The file cannot say that PyTorch's optimisers leave the padding's row alone.
        self.model.bert.embeddings.word_embeddings.padding_idx = None

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


CASES = {"gpt2-small": Gpt2, "bert-small": Bert}


def make_network(case: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    model = case().eval().requires_grad_(False)
    for parameter in model.parameters():
        spread = 0.4 if parameter.ndim > 1 else 0.2
        parameter.copy_(spread * torch.randn(parameter.shape) + parameter.mean().round())
    return model


def make_data(model: nn.Module) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    vocabulary = model.model.config.vocab_size
    # Frequent and rare tokens, and one that never occurs.
    ids = (torch.rand(SAMPLES, TOKENS) ** 2 * (vocabulary - 1)).long()
    lengths = torch.randint(2, TOKENS + 1, (SAMPLES,))
    mask = (torch.arange(TOKENS) < lengths[:, None]).long()
    if not model.per_token:
        return (ids, mask), torch.randint(model.classes, (SAMPLES,))
    y = torch.full_like(ids, IGNORED)
    y[:, :-1] = torch.where(mask[:, 1:] == 1, ids[:, 1:], IGNORED)
    y[3] = IGNORED
    return (ids, mask), y


def export(model: nn.Module, inputs: tuple[torch.Tensor, ...], path: Path) -> None:
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        model,
        tuple(x[:2] for x in inputs),
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamo=True,
        dynamic_shapes=({0: batch}, {0: batch}),
        verbose=False,
    )
    save(program.model_proto, path)


def export_torchscript(model: nn.Module, inputs: tuple[torch.Tensor, ...], path: Path) -> None:
    names = ["input_ids", "attention_mask"]
    torch.onnx.export(
        model,
        tuple(x[:2] for x in inputs),
        str(path),
        input_names=names,
        output_names=["logits"],
        dynamo=False,
        opset_version=17,
        dynamic_axes={name: {0: "batch"} for name in [*names, "logits"]},
    )
    save(onnx.load(path), path)


def save(proto: onnx.ModelProto, path: Path) -> None:
    strip(proto)
    onnx.save(proto, path)


def check_conditioning(name: str, exact: TokenOracle, single: TokenOracle) -> None:
    for variant, factors in exact.factors.items():
        for layer, factor in factors.items():
            other = single.factors[variant][layer]
            for what in ("input", "output", "mean"):
                a, b = getattr(factor, what), getattr(other, what).double()
                if a.norm() < ZERO:
                    continue
                error = ((a - b).norm() / a.norm()).item()
                if not error < FLOAT32_TOLERANCE:
                    raise SystemExit(f"{name}: {what} of {layer} is off by {error:.1e} in float32")


def factor_entries(variant: TokenVariant, factors: dict, diagonal: set[str]) -> list[dict[str, object]]:
    entries = []
    for layer, factor in factors.items():
        entry: dict[str, object] = {"layer": layer, "group": 0}
        if variant.curvature == "ggn" and variant.token_loss == "mean" and variant.labels:
            matrix = factor.input[0]
            entry["input"] = array(matrix.diagonal()[None].clone() if layer in diagonal else matrix)
            entry["mean"] = array(factor.mean[0])
            entry["inputEigenvalues"] = eigenvalues(matrix)
        if factor.output[0].norm() > ZERO:
            entry["output"] = array(factor.output[0])
            entry["outputEigenvalues"] = eigenvalues(factor.output[0])
        entries.append(entry)
    return entries


def describe(
    model: nn.Module, oracle: TokenOracle, affine: dict[str, torch.Tensor]
) -> dict[str, object]:
    diagonal = {layer.name for layer in oracle.layers if isinstance(layer.modules[0], nn.Embedding)}
    return {
        "samples": SAMPLES,
        "loss": "cross-entropy",
        "outputs": model.classes,
        "models": [{"file": "model.onnx", "absent": model.absent}, {"file": "model.torchscript17.onnx"}],
        "lossMean": oracle.loss,
        "accuracy": oracle.accuracy,
        "countedTokens": oracle.counted if model.per_token else None,
        "layers": [
            {
                "name": layer.name,
                "outDim": layer.out_dim,
                "inDim": layer.in_dim,
                "groups": 1,
                "positions": layer.positions,
                "uses": layer.uses,
                "bias": layer.name not in diagonal and layer.modules[0].bias is not None,
                "piecewiseLinear": layer.piecewise_linear,
            }
            for layer in oracle.layers
        ],
        "variants": [
            {
                "sharing": variant.sharing,
                "bias": variant.bias,
                "curvature": variant.curvature,
                "tokenLoss": variant.token_loss,
                "labels": variant.labels,
                "factors": factor_entries(variant, factors, diagonal),
            }
            for variant, factors in oracle.factors.items()
        ],
        "affine": [
            {"parameter": name, "eigenvalues": eigenvalues(block)} for name, block in affine.items()
        ],
    }


def make(name: str, case: type[nn.Module], out: Path) -> None:
    model = make_network(case)
    inputs, y = make_data(model)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"input_ids": inputs[0], "attention_mask": inputs[1]}
    np.savez_compressed(folder / "data.npz", **arrays, y=y)
    if any(not variant.labels for variant in model.variants):
        np.savez_compressed(folder / "inputs.npz", **arrays)
    export(model, inputs, folder / "model.onnx")
    export_torchscript(model, inputs, folder / "model.torchscript17.onnx")
    double = copy.deepcopy(model).double()
    logits = double(*inputs).numpy()
    variants = list(model.variants)
    oracle = make_token_oracle(double, inputs, y, variants)
    check_conditioning(name, oracle, make_token_oracle(model, inputs, y, variants))
    feeds = {"input_ids": inputs[0].numpy(), "attention_mask": inputs[1].numpy()}
    for path in sorted(folder.glob("*.onnx")):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        error = np.abs(session.run(None, feeds)[0] - logits).max() / np.abs(logits).max()
        if not error < FLOAT32_TOLERANCE:
            raise SystemExit(f"{path}: its logits are off by {error:.1e}")
    affine = affine_blocks(double, inputs, y, variants[0])
    content = describe(model, oracle, affine)
    (folder / "oracle.json").write_text(json.dumps(content, indent=1) + "\n")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name}: loss {oracle.loss:.4f}, accuracy {oracle.accuracy}, {size / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--only", help="make this case alone")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    for name, case in CASES.items():
        if options.only in (None, name):
            make(name, case, options.out)


if __name__ == "__main__":
    main()
