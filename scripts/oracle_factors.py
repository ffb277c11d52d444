# Float64 oracles of Kronecker factors by torch.func: nothing here uses a formula of the implementation.
"""
The quantities of a layer z = W x (+ b), one sample at a time, all in float64:

    X   [groups, n, P]     from the layer itself, as d z / d W (torch.func.jacrev over its weight)
    J   [c, groups, m, P]  d logits / d z, by jacrev over a perturbation that is added to z
    A   [c, c]             d2 loss / d logits2, by torch.func.hessian

P counts the positions of a sample over all uses of the weight. Means are over samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.func import functional_call, grad, hessian, jacrev

LINEAR = (nn.Linear,)
CONVOLUTION = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Variant:
    """One way to take the factors; the names are those of the command line."""

    sharing: str = "expand"
    bias: str = "separate"
    curvature: str = "ggn"


@dataclass
class Layer:
    """A weight and the modules that hold it (several for a shared parameter)."""

    name: str
    modules: list[nn.Module]
    parameter: str
    out_dim: int
    in_dim: int
    groups: int
    positions: int = 0
    uses: int = 0
    piecewise_linear: bool = True

    @property
    def bias(self) -> bool:
        return any(module.bias is not None for module in self.modules)

    def factor_in_dim(self, variant: Variant) -> int:
        return self.in_dim + (variant.bias == "joint" and self.bias)


@dataclass
class Factors:
    """E[x x^T] [groups, n, n], E[M] [groups, m, m], E[x] [groups, n]."""

    input: torch.Tensor
    output: torch.Tensor
    mean: torch.Tensor


@dataclass
class Oracle:
    loss: float
    accuracy: float | None
    layers: list[Layer]
    factors: dict[Variant, dict[str, Factors]] = field(default_factory=dict)


@dataclass
class Call:
    """One application of a layer to one sample: X [groups, n, P] and J [c, groups, m, P]."""

    layer: Layer
    x: torch.Tensor
    j: torch.Tensor


def find_layers(model: nn.Module) -> list[Layer]:
    layers: dict[int, Layer] = {}
    for name, module in model.named_modules():
        if not isinstance(module, LINEAR + CONVOLUTION + TRANSPOSED):
            continue
        known = layers.get(id(module.weight))
        if known is not None:
            # The exporter names a shared parameter after the last module that holds it.
            known.name = name
            known.modules.append(module)
            continue
        groups, m, n = weight_matrix(module, module.weight).shape
        layers[id(module.weight)] = Layer(name, [module], f"{name}.weight", m, n, groups)
    return list(layers.values())


def weight_matrix(module: nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """A weight as [groups, m, n], n in the weight's own order."""
    if isinstance(module, LINEAR):
        return weight[None]
    if isinstance(module, CONVOLUTION):
        return weight.reshape(module.groups, weight.shape[0] // module.groups, -1)
    per_group = weight.reshape(module.groups, weight.shape[0] // module.groups, weight.shape[1], -1)
    return per_group.transpose(1, 2).flatten(2)


def output_matrix(module: nn.Module, z: torch.Tensor, lead: int = 0) -> torch.Tensor:
    """Layer outputs of one sample behind `lead` axes, as [..., groups, m, P]."""
    if isinstance(module, LINEAR):
        return z.flatten(lead, -2).transpose(-1, -2).unsqueeze(-3)
    return z.reshape(*z.shape[:lead], module.groups, module.out_channels // module.groups, -1)


def input_matrix(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """X [groups, n, P]: what the first output of each group multiplies by its row of W."""

    def first_outputs(weight: torch.Tensor) -> torch.Tensor:
        return output_matrix(module, functional_call(module, {"weight": weight}, (x,)))[:, 0]

    jacobian = jacrev(first_outputs)(module.weight)
    groups, positions = jacobian.shape[:2]
    return torch.stack(
        [
            torch.stack([weight_matrix(module, jacobian[g, p])[g, 0] for p in range(positions)], dim=1)
            for g in range(groups)
        ]
    )


class Tracer:
    """Runs a model, noting its layers' inputs or adding perturbations to their outputs."""

    def __init__(self, model: nn.Module, layers: list[Layer]) -> None:
        self.model = model
        self.seen: list[tuple[Layer, nn.Module, torch.Tensor, torch.Size]] | None = None
        self.added: Iterator[torch.Tensor] | None = None
        for layer in layers:
            for module in layer.modules:
                module.register_forward_hook(self.hook(layer))

    def hook(self, layer: Layer):
        def observe(module: nn.Module, args: tuple[torch.Tensor, ...], z: torch.Tensor):
            if self.seen is not None:
                self.seen.append((layer, module, args[0], z.shape))
            return z if self.added is None else z + next(self.added)

        return observe

    def calls(self, x: torch.Tensor) -> list[Call]:
        """@param x one sample, with its batch axis of size 1"""
        seen = self.seen = []
        self.model(x)
        self.seen = None

        def logits(added: tuple[torch.Tensor, ...]) -> torch.Tensor:
            self.added = iter(added)
            return self.model(x).flatten()

        jacobians = jacrev(logits)(tuple(x.new_zeros(shape) for *_, shape in seen))
        self.added = None
        return [
            Call(layer, input_matrix(module, value), output_matrix(module, jacobian, 1))
            for (layer, module, value, _), jacobian in zip(seen, jacobians, strict=True)
        ]


def loss_of(kind: str, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The loss of one sample's logits [c]; means over outputs for bce and mse."""
    if kind == "cross-entropy":
        return nn.functional.cross_entropy(logits[None], y[None])
    if kind == "bce":
        return nn.functional.binary_cross_entropy_with_logits(logits, y)
    return nn.functional.mse_loss(logits, y)


def correct(kind: str, logits: torch.Tensor, y: torch.Tensor) -> bool | None:
    if kind == "cross-entropy":
        return bool(logits.argmax() == y)
    return bool(((logits > 0) == (y > 0.5)).all()) if kind == "bce" else None


def make_oracle(
    model: nn.Module, loss: str, x: torch.Tensor, y: torch.Tensor, variants: list[Variant]
) -> Oracle:
    """
    The means over x [N, ...] (in the model's dtype) for each variant.

    @raises AssertionError when X and J contradict the derivative of the model by a layer's weight
    """
    model.requires_grad_(False)
    layers = find_layers(model)
    tracer = Tracer(model, layers)
    losses, hits = [], []
    oracle = Oracle(0.0, None, layers)
    for index in range(len(x)):
        sample, label = x[index : index + 1], y[index]
        calls = tracer.calls(sample)
        logits = model(sample).flatten().detach()
        losses.append(loss_of(loss, logits, label).item())
        hits.append(correct(loss, logits, label))
        a = hessian(lambda f: loss_of(loss, f, label))(logits)
        g = grad(lambda f: loss_of(loss, f, label))(logits)
        for layer in layers:
            own = [call for call in calls if call.layer is layer]
            layer.uses = len(own)
            layer.positions = sum(call.x.shape[-1] for call in own)
            if index < 3:
                check_weight_derivative(model, layer, own, loss, sample, label, a)
            for variant in variants:
                into = oracle.factors.setdefault(variant, {})
                middle = a if variant.curvature == "ggn" else torch.outer(g, g)
                add_sample(into, layer, own, middle, variant, 1 / len(x))
    oracle.loss = sum(losses) / len(x)
    oracle.accuracy = None if loss == "mse" else sum(hits) / len(x)
    return oracle


def add_sample(
    into: dict[str, Factors],
    layer: Layer,
    calls: list[Call],
    middle: torch.Tensor,
    variant: Variant,
    weight: float,
) -> None:
    x = torch.cat([call.x for call in calls], dim=-1)
    j = torch.cat([call.j for call in calls], dim=-1)
    if variant.sharing == "reduce":
        x, j = x.mean(-1, keepdim=True), j.sum(-1, keepdim=True)
    if variant.bias == "joint" and layer.bias:
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    blocks = torch.einsum("kgap,kl,lgbp->gab", j, middle, j) / j.shape[-1]
    if layer.name not in into:
        n, m = layer.factor_in_dim(variant), layer.out_dim
        zeros = [(n, n), (m, m), (n,)]
        into[layer.name] = Factors(*(x.new_zeros(layer.groups, *shape) for shape in zeros))
    into[layer.name].input += weight * torch.einsum("gap,gbp->gab", x, x)
    into[layer.name].output += weight * blocks
    into[layer.name].mean += weight * x.mean(-1)


def check_weight_derivative(
    model: nn.Module,
    layer: Layer,
    calls: list[Call],
    loss: str,
    x: torch.Tensor,
    y: torch.Tensor,
    a: torch.Tensor,
) -> None:
    """Moves W along a random direction V: d logits = <J, V X>, d2 loss = <d logits, A d logits> + rest."""
    module = layer.modules[0]
    direction = torch.randn(module.weight.shape, dtype=x.dtype)

    def logits(t: torch.Tensor) -> torch.Tensor:
        moved = module.weight.detach() + t * direction
        return functional_call(model, {layer.parameter: moved}, (x,)).flatten()

    zero = torch.zeros((), dtype=x.dtype)
    derivative = jacrev(logits)(zero)
    v = weight_matrix(module, direction)
    expected = sum(torch.einsum("kgap,gan,gnp->k", call.j, v, call.x) for call in calls)
    tolerance = 1e-9 if x.dtype == torch.float64 else 1e-3
    torch.testing.assert_close(derivative, expected, rtol=tolerance, atol=tolerance)
    second = grad(grad(lambda t: loss_of(loss, logits(t), y)))(zero)
    gauss_newton = derivative @ a @ derivative
    if (second - gauss_newton).abs() > 1e-9 * (1 + second.abs()):
        layer.piecewise_linear = False


def exact_block(
    model: nn.Module, layer: Layer, loss: str, x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """The Hessian of the mean loss by the layer's weight, [m*n, m*n], row-major vec."""

    def mean_loss(weight: torch.Tensor) -> torch.Tensor:
        logits = functional_call(model, {layer.parameter: weight}, (x,))
        return sum(loss_of(loss, f, label) for f, label in zip(logits, y)) / len(x)

    weight = layer.modules[0].weight.detach()
    return hessian(mean_loss)(weight).reshape(weight.numel(), weight.numel())
