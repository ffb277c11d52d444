# Float64 gradients of every parameter of a model, and what its file should call its layers.
"""
The loss is the mean over the samples of the cross-entropy; with logits for every token, of the mean
over the sample's tokens that count. Exporters fold a BatchNormalization that follows a convolution
into it: W' = diag(s) W, so that dL/dW' = diag(1/s) dL/dW, and dL/db' is that of the normalisation's bias.
"""

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers.pytorch_utils import Conv1D
from zoo_models import IGNORED

ZERO = 1e-5
"""Gradients of less than this share of the largest one are rounding: keys' biases have none, for example."""

ROUNDINGS = 4
SAME_LOSS = 1e-4


@dataclass
class Oracle:
    loss: float
    gradients: dict[str, torch.Tensor]
    """By parameter, float64; linear weights as [out, in], embeddings as [rows, features]."""
    aliases: dict[str, str]
    """Other names of tied parameters, with the name in `gradients`."""
    folded: dict[str, dict[str, torch.Tensor]]
    """By convolution that a normalisation follows, that of the folded `weight` and `bias`."""
    norms: dict[str, str]
    """The normalisation that follows a convolution."""
    layers: dict[str, str]
    """Modules that multiply by a weight, with the weight's name."""
    plain: list[str]
    """Parameters that exporters keep as they are, or not at all: embeddings', and those of no layer."""


def mean_loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if logits.ndim == 2:
        return nn.functional.cross_entropy(logits, y)
    losses = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=IGNORED, reduction="none")
    counted = (y != IGNORED).sum(1).clamp(min=1)
    return (losses.view(y.shape).sum(1) / counted).mean()


def followers(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> dict[str, str]:
    """Convolutions whose output goes straight into a BatchNormalization."""
    made: dict[int, str] = {}
    found: dict[str, str] = {}
    kept: list[torch.Tensor] = []
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, _ConvNd):
            def note(_module, _args, out, name=name):
                made[id(out)] = name
                kept.append(out)
            hooks.append(module.register_forward_hook(note))
        elif isinstance(module, _BatchNorm):
            def look(_module, args, name=name):
                if id(args[0]) in made:
                    found[made[id(args[0])]] = name
            hooks.append(module.register_forward_pre_hook(look))
    with torch.no_grad():
        model(*inputs)
    for hook in hooks:
        hook.remove()
    return found


def weighted_layers(model: nn.Module) -> dict[str, str]:
    layers: dict[str, str] = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, _ConvNd, nn.Embedding, Conv1D)):
            layers[name] = f"{name}.weight"
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            # Its own fused q, k and v; the module out_proj is inside it.
            layers[name] = f"{name}.in_proj_weight"
    return layers


def plain_parameters(model: nn.Module) -> list[str]:
    kinds = (nn.Linear, _ConvNd, _BatchNorm, nn.LayerNorm, nn.GroupNorm, Conv1D, nn.MultiheadAttention)
    return [
        name
        for name, _ in model.named_parameters()
        if not isinstance(model.get_submodule(name.rpartition(".")[0]), kinds)
    ]


def loss_and_gradients(
    model: nn.Module, inputs: tuple[torch.Tensor, ...], y: torch.Tensor
) -> tuple[float, dict[str, torch.Tensor]]:
    loss = mean_loss(model(*inputs), y)
    loss.backward()
    transposed = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, Conv1D)}
    gradients = {}
    for name, parameter in model.named_parameters():
        g = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        gradients[name] = (g.T if name in transposed else g).contiguous()
    return loss.item(), gradients


def make_oracle(model: nn.Module, inputs: tuple[torch.Tensor, ...], y: torch.Tensor) -> Oracle:
    double = copy.deepcopy(model).double()
    given = tuple(x.double() if x.is_floating_point() else x for x in inputs)
    norms = followers(double, given)
    loss, gradients = loss_and_gradients(double, given, y)
    first = {id(parameter): name for name, parameter in double.named_parameters()}
    every = double.named_parameters(remove_duplicate=False)
    aliases = {name: first[id(parameter)] for name, parameter in every if name not in gradients}
    folded = {}
    for name, norm_name in norms.items():
        norm = double.get_submodule(norm_name)
        scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
        weight = gradients[f"{name}.weight"]
        folded[name] = {
            "weight": weight / scale.reshape(-1, *[1] * (weight.ndim - 1)),
            "bias": gradients[f"{norm_name}.bias"],
        }
    return Oracle(loss, gradients, aliases, folded, norms, weighted_layers(model), plain_parameters(model))


def fold(model: nn.Module, norms: dict[str, str]) -> nn.Module:
    """A copy with each of the normalisations folded into its convolution, as exporters do."""
    network = copy.deepcopy(model)
    for name, norm_name in norms.items():
        convolution, norm = network.get_submodule(name), network.get_submodule(norm_name)
        fused = fuse_conv_bn_eval(convolution, norm, isinstance(convolution, _ConvTransposeNd))
        network.set_submodule(name, fused.requires_grad_(True))
        # Those of timm have an activation of their own.
        rest = [getattr(norm, part) for part in ("drop", "act") if hasattr(norm, part)]
        network.set_submodule(norm_name, nn.Sequential(*rest))
    return network


def float32_errors(
    model: nn.Module, inputs: tuple[torch.Tensor, ...], y: torch.Tensor, oracle: Oracle, folded: list[str]
) -> dict[str, float]:
    """
    How far PyTorch's own float32 gradients are off, by parameter: the largest relative errors in the Euclidean norm of
    those of the network, of the same with the normalisations behind the convolutions `folded` folded into them, and of
    `ROUNDINGS` more of these whose parameters are off by a rounding error each (2^-24). Gradients of less than
    `ZERO` of the largest are compared with that.
    """
    fused = fold(model, {name: oracle.norms[name] for name in folded})
    of_fused = dict(oracle.gradients)
    for name in folded:
        of_fused.update({f"{name}.{part}": gradient for part, gradient in oracle.folded[name].items()})
    errors: dict[str, float] = {}
    for index in range(-2, ROUNDINGS):
        network = copy.deepcopy(model if index == -2 else fused)
        wanted = oracle.gradients if index == -2 else of_fused
        if index >= 0:
            generator = torch.Generator().manual_seed(index)
            with torch.no_grad():
                for parameter in network.parameters():
                    signs = torch.randint(2, parameter.shape, generator=generator) * 2 - 1
                    parameter.copy_(parameter.double() * (1 + signs * 2.0**-24))
        loss, found = loss_and_gradients(network, inputs, y)
        if not abs(loss - oracle.loss) <= SAME_LOSS * abs(oracle.loss):
            raise ValueError(f"another network: its loss is {loss}, not {oracle.loss}")
        least = ZERO * max(gradient.norm().item() for gradient in found.values())
        for name, gradient in found.items():
            size = max(wanted[name].norm().item(), least)
            error = (gradient.double() - wanted[name]).norm().item() / size
            errors[name] = max(error, errors.get(name, 0.0))
    return errors
