# Float64 oracles for models on token ids, by torch.func: nothing here uses a formula of the implementation.
"""
As oracle_factors.py, for models whose inputs are several integer tensors and whose logits are [T, V]
a sample (or [V]: T = 1). The loss of a sample is sum_t w_t cross-entropy(f_t, y_t); w_t is 0 where
y_t is the ignored label, else 1 (sum) or 1 / number of tokens that count (mean). Per sample:

    X   [n, P]      inputs of the layer's positions; one-hot ids for an embedding
    J   [T, V, m, P]  d logits / d z, by jacrev over a perturbation that is added to z
    A   [V, V]      d2 cross-entropy / d logits2 of one token, by torch.func.hessian
    M = sum_t w_t J_t^T A_t J_t
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from oracle_factors import Factors, Layer, Oracle
from torch import nn
from torch.func import functional_call, grad, hessian, jacrev
from transformers.pytorch_utils import Conv1D

IGNORED = -100


@dataclass(frozen=True)
class TokenVariant:
    """One way to take the factors; the names are those of the command line."""

    sharing: str = "expand"
    token_loss: str = "mean"
    curvature: str = "ggn"
    bias: str = "separate"
    labels: bool = True
    """Without labels every token counts."""


@dataclass
class TokenOracle(Oracle):
    counted: int = 0


def module_layers(model: nn.Module) -> list[tuple[Layer, nn.Module]]:
    layers = []
    for name, module in model.named_modules():
        if not isinstance(module, (nn.Linear, Conv1D, nn.Embedding)):
            continue
        n, m = module.weight.shape if not isinstance(module, nn.Linear) else module.weight.shape[::-1]
        layers.append((Layer(name, [module], f"{name}.weight", m, n, 1), module))
    return layers


class TokenTracer:
    """Runs a model, noting its layers' inputs or adding perturbations to their outputs."""

    def __init__(self, model: nn.Module, layers: list[tuple[Layer, nn.Module]]) -> None:
        self.model = model
        self.seen: list[tuple[Layer, torch.Tensor, torch.Size]] | None = None
        self.added: Iterator[torch.Tensor] | None = None
        for layer, module in layers:
            module.register_forward_hook(self.hook(layer))

    def hook(self, layer: Layer):
        def observe(module: nn.Module, args: tuple[torch.Tensor, ...], z: torch.Tensor):
            if self.seen is not None:
                x = args[0]
                if isinstance(module, nn.Embedding):
                    x = nn.functional.one_hot(x, module.num_embeddings).to(z.dtype)
                self.seen.append((layer, x.reshape(-1, x.shape[-1]).T, z.shape))
            return z if self.added is None else z + next(self.added)

        return observe

    def calls(self, inputs: tuple[torch.Tensor, ...]) -> list[tuple[Layer, torch.Tensor, torch.Tensor]]:
        """(layer, X [n, P], J [T, V, m, P]) of every use; the inputs hold one sample."""
        seen = self.seen = []
        self.model(*inputs)
        self.seen = None

        def logits(added: tuple[torch.Tensor, ...]) -> torch.Tensor:
            self.added = iter(added)
            f = self.model(*inputs)
            self.added = None
            return f.reshape(-1, f.shape[-1])

        dtype = next(self.model.parameters()).dtype
        jacobians = jacrev(logits)(tuple(torch.zeros(shape, dtype=dtype) for *_, shape in seen))
        return [
            (layer, x, j.reshape(*j.shape[:2], -1, layer.out_dim).transpose(2, 3))
            for (layer, x, _), j in zip(seen, jacobians, strict=True)
        ]


def token_loss(f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(f[None], y[None])


def token_weights(y: torch.Tensor, variant: TokenVariant) -> torch.Tensor:
    counted = (y != IGNORED).double() if variant.labels else torch.ones(len(y)).double()
    return counted / counted.sum().clamp(min=1) if variant.token_loss == "mean" else counted


def middles(f: torch.Tensor, y: torch.Tensor, variant: TokenVariant) -> torch.Tensor:
    """w_t A_t [T, V, V]; of the gradients' outer products for the empirical Fisher."""
    weights = token_weights(y, variant)
    blocks = []
    for row, label, weight in zip(f, y, weights):
        safe = label.clamp(min=0)
        if variant.curvature == "ggn":
            block = hessian(lambda r: token_loss(r, safe))(row)
        else:
            g = grad(lambda r: token_loss(r, safe))(row)
            block = torch.outer(g, g)
        blocks.append(weight.to(f.dtype) * block)
    return torch.stack(blocks)


def make_token_oracle(
    model: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    y: torch.Tensor,
    variants: list[TokenVariant],
) -> TokenOracle:
    """
    The means over the samples for each variant; y is [N, T] ([N]: one row of logits a sample).

    @raises AssertionError when X and J contradict the derivative of the model by a layer's weight
    """
    model.requires_grad_(False)
    found = module_layers(model)
    layers = [layer for layer, _ in found]
    tracer = TokenTracer(model, found)
    oracle = TokenOracle(0.0, None, layers)
    hits = 0
    for index in range(len(y)):
        sample = tuple(x[index : index + 1] for x in inputs)
        labels = y[index].reshape(-1)
        f = model(*sample).detach().reshape(len(labels), -1)
        weights = token_weights(labels, variants[0])
        for row, label, weight in zip(f, labels, weights):
            if label != IGNORED:
                oracle.loss += weight.item() * token_loss(row, label).item() / len(y)
                oracle.counted += 1
                hits += int(row.argmax() == label)
        calls = tracer.calls(sample)
        if index == 0:
            # In the order of their first use, as a file has them.
            order = [id(layer) for layer, *_ in calls]
            layers.sort(key=lambda layer: order.index(id(layer)))
        for layer, module in found:
            own = [call for call in calls if call[0] is layer]
            layer.uses = len(own)
            layer.positions = sum(x.shape[-1] for _, x, _ in own)
            if index < 2:
                check_weight_derivative(model, layer, module, own, sample, labels)
            for variant in variants:
                into = oracle.factors.setdefault(variant, {})
                add_sample(into, layer, module, own, middles(f, labels, variant), variant, 1 / len(y))
    oracle.accuracy = hits / oracle.counted
    return oracle


def add_sample(into, layer, module, calls, middle, variant, weight) -> None:
    x = torch.cat([call[1] for call in calls], dim=-1)
    j = torch.cat([call[2] for call in calls], dim=-1)
    if variant.sharing == "reduce" and not isinstance(module, nn.Embedding):
        x, j = x.mean(-1, keepdim=True), j.sum(-1, keepdim=True)
    if layer.name not in into:
        n, m = layer.in_dim, layer.out_dim
        into[layer.name] = Factors(x.new_zeros(1, n, n), x.new_zeros(1, m, m), x.new_zeros(1, n))
    into[layer.name].input[0] += weight * (x @ x.T)
    into[layer.name].output[0] += weight * torch.einsum("tkap,tkl,tlbp->ab", j, middle, j) / j.shape[-1]
    into[layer.name].mean[0] += weight * x.mean(-1)


def check_weight_derivative(model, layer, module, calls, inputs, labels) -> None:
    """Moves W along a random direction V: d logits = <J, V X>; and whether the Hessian is the GGN."""
    direction = torch.randn(module.weight.shape, dtype=module.weight.dtype)
    # Tied weights: this module's own copy moves alone.
    original = module.weight

    def logits(t: torch.Tensor) -> torch.Tensor:
        state = dict(model.named_parameters(remove_duplicate=False))
        state[layer.parameter] = original.detach() + t * direction
        f = functional_call(model, state, inputs, tie_weights=False)
        return f.reshape(len(labels), -1)

    zero = torch.zeros((), dtype=direction.dtype)
    derivative = jacrev(logits)(zero)
    v = direction if isinstance(module, nn.Linear) else direction.T
    expected = sum(torch.einsum("tkap,an,np->tk", j, v, x) for _, x, j in calls)
    tolerance = 1e-9 if direction.dtype == torch.float64 else 1e-3
    torch.testing.assert_close(derivative, expected, rtol=tolerance, atol=tolerance)
    safe = labels.clamp(min=0)
    second = grad(grad(lambda t: nn.functional.cross_entropy(logits(t), safe, reduction="sum")))(zero)
    a = torch.stack([hessian(lambda r, y=y: token_loss(r, y))(row) for row, y in zip(logits(zero), safe)])
    gauss_newton = torch.einsum("tk,tkl,tl->", derivative, a, derivative)
    if (second - gauss_newton).abs() > 1e-9 * (1 + second.abs()):
        layer.piecewise_linear = False


def affine_blocks(
    model: nn.Module, inputs: tuple[torch.Tensor, ...], y: torch.Tensor, variant: TokenVariant
) -> dict[str, torch.Tensor]:
    """The Gauss-Newton block of every vector of parameters (biases, normalisations), by its name."""
    names = [name for name, parameter in model.named_parameters() if parameter.ndim == 1]
    vectors = {name: model.get_parameter(name).detach() for name in names}
    blocks = {name: torch.zeros(len(vector), len(vector), dtype=vector.dtype) for name, vector in vectors.items()}
    for index in range(len(y)):
        sample = tuple(x[index : index + 1] for x in inputs)
        labels = y[index].reshape(-1)

        def logits(moved: dict[str, torch.Tensor], sample=sample, labels=labels) -> torch.Tensor:
            return functional_call(model, moved, sample).reshape(len(labels), -1)

        middle = middles(logits(vectors), labels, variant)
        for name, j in jacrev(logits)(vectors).items():
            blocks[name] += torch.einsum("tka,tkl,tlb->ab", j, middle, j) / len(y)
    return blocks
