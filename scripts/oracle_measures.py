# Float64 oracles of measures that need more than one layer's block: heuristic, class means, full Hessian.
"""
All from torch.func and dense numpy; arXiv 2010.04261, in the notation of its sections 3 to 5.

A sample has J [c, d] = d logits / d weights, A [c, c] = d2 loss / d logits2, and for a layer
J_z [c, groups, m, P] = d logits / d z and X [groups, n, P].
"""

from dataclasses import dataclass

import numpy as np
import torch
from oracle_factors import Call, Layer, Tracer, find_layers, loss_of
from oracle_structure import Maybe, decompose
from torch import nn
from torch.func import functional_call, hessian, jacrev

TOP = 10
GAP = 1e-5


@dataclass
class Sample:
    calls: list[Call]
    a: np.ndarray
    """Q [c, c] with Q^T Q = A: diag(sqrt p)(I - 1 p^T) for cross-entropy, diagonal otherwise."""
    q: np.ndarray
    """By layer, [c, groups, m, n + 1]: the last column is that of the bias (absent without one)."""
    jacobians: dict[str, np.ndarray]


def rows_of(loss: str, logits: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    if loss != "cross-entropy":
        return torch.diag(torch.diagonal(a).sqrt())
    p = torch.softmax(logits, 0)
    return torch.diag(p.sqrt()) @ (torch.eye(len(p), dtype=p.dtype) - p[None, :])


def samples_of(model: nn.Module, loss: str, x: torch.Tensor, y: torch.Tensor) -> tuple[list[Layer], list[Sample]]:
    layers = find_layers(model)
    names = {layer.name: [layer.parameter, layer.parameter.removesuffix("weight") + "bias"] for layer in layers}
    parameters = dict(model.named_parameters())
    wanted = {key: parameters[key].detach() for keys in names.values() for key in keys if key in parameters}
    jacobian = jacrev(lambda values: functional_call(model, values, (x,)).flatten(1))(wanted)
    tracer = Tracer(model, layers)
    samples = []
    for index in range(len(x)):
        logits = model(x[index : index + 1]).flatten().detach()
        a = hessian(lambda f: loss_of(loss, f, y[index]))(logits)
        q = rows_of(loss, logits, a)
        torch.testing.assert_close(q.T @ q, a)
        own = {}
        for layer in layers:
            weight, bias = names[layer.name]
            shape = (a.shape[0], layer.groups, layer.out_dim)
            parts = [jacobian[weight][index].reshape(*shape, layer.in_dim)]
            if bias in jacobian:
                parts.append(jacobian[bias][index].reshape(*shape, 1))
            own[layer.name] = torch.cat(parts, dim=-1).numpy()
        calls = tracer.calls(x[index : index + 1])
        samples.append(Sample(calls, a.numpy(), q.numpy(), own))
    return layers, samples


def own_calls(sample: Sample, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """J_z [c, groups, m, P] and X [groups, n, P] of all uses."""
    calls = [call for call in sample.calls if call.layer is layer]
    j = torch.cat([call.j for call in calls], dim=-1).numpy()
    x = torch.cat([call.x for call in calls], dim=-1).numpy()
    return j, x


def subspace_overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Of orthonormal columns."""
    return float(np.sum((a.T @ b) ** 2) / a.shape[1])


def heuristics(model: nn.Module, layers: list[Layer], samples: list[Sample], loss: str) -> list[dict[str, object]]:
    """Of the linear layers, which must come last and in order, a ReLU behind each but the last."""
    linear = [layer for layer in layers if isinstance(layer.modules[0], nn.Linear)]
    mean_a = sum(sample.a for sample in samples) / len(samples)
    entries = []
    for index, layer in enumerate(linear):
        s = np.eye(layer.out_dim)
        for later in linear[index + 1 :]:
            s = later.modules[0].weight.detach().numpy() @ s
        relus = len(linear) - 1 - index
        output = sum(
            np.einsum("kgmp,kl,lgnp->mn", j, sample.a, j)
            for sample in samples
            for j, _ in [own_calls(sample, layer)]
        ) / len(samples)
        rows = s
        if loss == "cross-entropy":
            shift = s.T @ np.ones(len(s))
            if np.linalg.norm(shift) > 0:
                shift /= np.linalg.norm(shift)
                rows = s - np.outer(s @ shift, shift)
        _, values, vt = np.linalg.svd(rows)
        rank = int(np.sum(values > 1e-10 * np.linalg.norm(s)))
        surrogate = 4.0**-relus * s.T @ mean_a @ s
        top = decompose(output).vectors[:, :rank]
        entries.append(
            {
                "layer": layer.name,
                "relus": relus,
                "rank": rank,
                "heuristicOverlap": subspace_overlap(top, vt[:rank].T),
                "surrogateOverlap": subspace_overlap(top, decompose(surrogate).vectors[:, :rank]),
                "surrogateError": float(np.linalg.norm(surrogate - output) / np.linalg.norm(output)),
            }
        )
    return entries


def class_means(
    layers: list[Layer], samples: list[Sample], labels: list[int], classes: int
) -> list[dict[str, object]]:
    """
    Gamma [classes, c, groups * m]: E[Q J_z | y = i], J_z the mean over positions. Delta alike with
    Q J, of which the squared norms are kept, [classes][c]; `weights` alone and with biases (`joint`).
    """
    entries = []
    count = [labels.count(i) for i in range(classes)]
    for layer in layers:
        gamma: list = [0.0] * classes
        delta: list = [0.0] * classes
        traces = {"output": 0.0, "weights": 0.0, "joint": 0.0}
        n = layer.in_dim
        for sample, label in zip(samples, labels, strict=True):
            j, _ = own_calls(sample, layer)
            g = np.einsum("kl,lgmp->kgmp", sample.q, j)
            h = np.einsum("kl,lgmn->kgmn", sample.q, sample.jacobians[layer.name])
            gamma[label] = gamma[label] + g.mean(-1) / count[label]
            delta[label] = delta[label] + h / count[label]
            traces["output"] += np.sum(g**2) / g.shape[-1] / len(samples)
            traces["weights"] += np.sum(h[..., :n] ** 2) / len(samples)
            traces["joint"] += np.sum(h**2) / len(samples)

        def share(means: list, trace: float) -> float:
            parts = [count[i] / len(samples) * np.sum(means[i] ** 2) for i in range(classes) if count[i]]
            return float(sum(parts) / trace)

        plain = [np.asarray(value)[..., :n] if count[i] else 0.0 for i, value in enumerate(delta)]
        entries.append(
            {
                "layer": layer.name,
                "counts": count,
                "gammaShare": share(gamma, traces["output"]),
                "deltaShare": share(plain, traces["weights"]),
                "deltaShareJoint": share(delta, traces["joint"]),
                "gamma": [np.asarray(value).reshape(len(samples[0].q), -1).tolist() for value in gamma if np.ndim(value)],
                "deltaNorms": [np.sum(value**2, axis=(1, 2, 3)).tolist() for value in plain if np.ndim(value)],
            }
        )
    return entries


def full_hessian(layers: list[Layer], samples: list[Sample]) -> dict[str, object]:
    """
    The Gauss-Newton matrix of all weights and biases, and its approximation from the stacked output
    Hessian E[G^T A G], G = sum over positions of J_z, and E[x~], the mean over positions.
    """
    block, stacked = 0.0, 0.0
    means: dict[str, np.ndarray] = {layer.name: 0.0 for layer in layers}
    for sample in samples:
        j = np.concatenate([sample.jacobians[layer.name].reshape(len(sample.a), -1) for layer in layers], axis=1)
        block = block + j.T @ sample.a @ j / len(samples)
        parts = []
        for layer in layers:
            jz, x = own_calls(sample, layer)
            parts.append(jz.sum(-1).reshape(len(sample.a), -1))
            x = x.mean(-1)
            if layer.bias:
                x = np.concatenate([x, np.ones((layer.groups, 1))], axis=1)
            means[layer.name] = means[layer.name] + x / len(samples)
        g = np.concatenate(parts, axis=1)
        stacked = stacked + g.T @ sample.a @ g / len(samples)
    exact, output = decompose(block), decompose(stacked)
    candidates = []
    for i, value in enumerate(output.values):
        if value < 1e-9 * output.values[0]:
            break
        pieces, at = [], 0
        for layer in layers:
            for group in range(layer.groups):
                u = output.vectors[at : at + layer.out_dim, i]
                pieces.append(np.kron(u, means[layer.name][group]))
                at += layer.out_dim
        w = np.concatenate(pieces)
        candidates.append((value * (w @ w), w / np.linalg.norm(w)))
    candidates.sort(key=lambda pair: -pair[0])
    basis, _ = np.linalg.qr(np.stack([w for _, w in candidates], axis=1))
    values = [float(value) for value, _ in candidates]
    gaps = [k for k in range(1, len(values)) if values[k - 1] - values[k] < GAP * values[0]]
    overlaps: list[Maybe] = [
        subspace_overlap(exact.vectors[:, :k], basis[:, :k])
        if exact.separated(k) and k not in gaps
        else None
        for k in range(1, min(TOP, len(values)) + 1)
    ]
    return {
        "dimension": int(block.shape[0]),
        "outputDimension": int(stacked.shape[0]),
        "eigenvalues": exact.values[:TOP].tolist(),
        "outputEigenvalues": output.values[:TOP].tolist(),
        "approximateEigenvalues": values[:TOP],
        "overlap": overlaps,
    }
