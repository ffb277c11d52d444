# Exact layer blocks by torch.func, dense and as products with vectors; nothing here knows how layers work.
"""
A block is the matrix of a quadratic form on one weight W, as torch holds it, vec(W) row-major; with
`joint` bias on [W b], W as [rows, columns]:

    ggn      H = (1/N) sum over samples of J^T A J; J [c, d] = d logits / d vec(W) by jacrev,
             A [c, c] = d2 loss / d logits2 by hessian
    hessian  H = d2 (mean loss) / d vec(W)2 by hessian

A product with a vector comes from jvp and vjp alone, so that it checks the dense block.
"""

from dataclasses import dataclass

import torch
from oracle_factors import Layer, loss_of
from torch import nn
from torch.func import functional_call, grad, hessian, jacrev, jvp, vjp


@dataclass(frozen=True)
class LayerLoss:
    """The mean loss over x [N, ...] and y as a function of one layer's weight [G*m, n]."""

    model: nn.Module
    layer: Layer
    bias: str
    kind: str
    x: torch.Tensor
    y: torch.Tensor

    @property
    def weight(self) -> torch.Tensor:
        module = self.layer.modules[0]
        weight = module.weight.detach().flatten(1)
        return weight if self.bias == "separate" else torch.cat([weight, module.bias[:, None]], dim=1)

    def logits(self, weight: torch.Tensor) -> torch.Tensor:
        """[N, c]"""
        shape = self.layer.modules[0].weight.shape
        if self.bias == "separate":
            parameters = {self.layer.parameter: weight.reshape(shape)}
        else:
            name = self.layer.parameter.removesuffix("weight") + "bias"
            parameters = {self.layer.parameter: weight[:, :-1].reshape(shape), name: weight[:, -1]}
        return functional_call(self.model, parameters, (self.x,)).flatten(1)

    def mean(self, weight: torch.Tensor) -> torch.Tensor:
        losses = [loss_of(self.kind, f, y) for f, y in zip(self.logits(weight), self.y)]
        return sum(losses) / len(losses)

    def output_hessians(self) -> torch.Tensor:
        """A [N, c, c]"""
        return torch.stack(
            [
                hessian(lambda f, label=label: loss_of(self.kind, f, label))(logits)
                for logits, label in zip(self.logits(self.weight), self.y)
            ]
        )


def dense_block(at: LayerLoss, curvature: str) -> torch.Tensor:
    """H [d, d]"""
    weight = at.weight
    if curvature == "hessian":
        return hessian(at.mean)(weight).reshape(weight.numel(), weight.numel())
    j = jacrev(at.logits)(weight).flatten(2)
    return torch.einsum("ska,skl,slb->ab", j, at.output_hessians(), j) / len(at.x)


def block_product(at: LayerLoss, curvature: str, vector: torch.Tensor) -> torch.Tensor:
    """H vec(V) for V [G*m, n], in that shape."""
    weight = at.weight
    if curvature == "hessian":
        return jvp(grad(at.mean), (weight,), (vector,))[1]
    moved = jvp(at.logits, (weight,), (vector,))[1]
    pull = vjp(at.logits, weight)[1]
    return pull(torch.einsum("skl,sl->sk", at.output_hessians(), moved))[0] / len(at.x)
