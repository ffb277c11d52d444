# Writes spectra of the blocks of embeddings' weights, cut out of dense second derivatives by torch.func in float64.
"""
coordinator/fixtures/embeddings/<case>.json, for the models of make-token-fixtures.py:

    { "blocks": [{ "name": the parameter, "curvature": "hessian" or "ggn", "dimension", "trace",
                   "eigenvalues": all, largest first }] }

of the mean over samples of the loss that make-token-fixtures.py describes; a weight that the output layer
shares is one parameter in both roles.

Usage: python3 scripts/make-embedding-fixtures.py
Needs: torch >= 2.9, transformers, onnx, onnxscript, onnxruntime.
"""

import json
from importlib import import_module
from pathlib import Path

import torch
from oracle_tokens import IGNORED
from torch import nn
from torch.func import functional_call, hessian, jacrev

FIXTURES = Path(__file__).parent.parent / "coordinator" / "fixtures"
TOKENS = import_module("make-token-fixtures")
PARAMETERS = {
    "bert-small": [
        "model.bert.embeddings.word_embeddings.weight",
        "model.bert.embeddings.token_type_embeddings.weight",
    ],
    "gpt2-small": ["model.transformer.wte.weight"],
}


def token_loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of one sample: the mean over its tokens that count; nothing where none does."""
    logits, y = logits.reshape(-1, logits.shape[-1]), y.reshape(-1)
    counted = y != IGNORED
    losses = nn.functional.cross_entropy(logits, y.clamp(min=0), reduction="none")
    return (losses * counted).sum() / counted.sum().clamp(min=1)


def blocks_of(model: nn.Module, name: str, inputs: tuple[torch.Tensor, ...], y: torch.Tensor):
    weight = dict(model.named_parameters())[name].detach()
    size = weight.numel()
    true, gauss_newton = torch.zeros(size, size).double(), torch.zeros(size, size).double()
    for index in range(len(y)):
        one = tuple(x[index : index + 1] for x in inputs)

        def logits(w: torch.Tensor) -> torch.Tensor:
            return functional_call(model, {name: w}, one)[0]

        def loss(w: torch.Tensor) -> torch.Tensor:
            return token_loss(logits(w), y[index])

        true += hessian(loss)(weight).reshape(size, size)
        f = logits(weight)
        inner = hessian(lambda f: token_loss(f, y[index]))(f).reshape(f.numel(), f.numel())
        jacobian = jacrev(logits)(weight).reshape(f.numel(), size)
        gauss_newton += jacobian.T @ inner @ jacobian
    return {"hessian": true / len(y), "ggn": gauss_newton / len(y)}


def check_model(case: str, model: nn.Module, inputs: tuple[torch.Tensor, ...], y: torch.Tensor) -> None:
    """The weights are drawn anew: they must be those of the stored file."""
    stored = json.loads((FIXTURES / "factors" / case / "oracle.json").read_text())["lossMean"]
    with torch.no_grad():
        losses = [token_loss(model(*(x[i : i + 1] for x in inputs))[0], y[i]) for i in range(len(y))]
    loss = torch.stack(losses).mean().item()
    if not abs(loss - stored) < 1e-9 * stored:
        raise SystemExit(f"{case}: the loss is {loss}, that of the stored model {stored}")


def main() -> None:
    torch.set_num_threads(1)
    for case, names in PARAMETERS.items():
        model = TOKENS.make_network(TOKENS.CASES[case]).double()
        inputs, y = TOKENS.make_data(model)
        check_model(case, model, inputs, y)
        entries = []
        for name in names:
            for curvature, block in blocks_of(model, name, inputs, y).items():
                values = torch.linalg.eigvalsh((block + block.T) / 2).flip(0)
                entries.append(
                    {
                        "name": name,
                        "curvature": curvature,
                        "dimension": len(block),
                        "trace": block.trace().item(),
                        "eigenvalues": values.tolist(),
                    }
                )
                print(f"{case}: {curvature} of {name}: {values[0]:.4g} ... {values[-1]:.4g}")
        path = FIXTURES / "embeddings" / f"{case}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"blocks": entries}, indent=1) + "\n")


if __name__ == "__main__":
    main()
