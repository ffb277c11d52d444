"""Makes coordinator/fixtures/posterior: gradients of the PAC-Bayes objective in float64.

    python3 scripts/make-posterior-fixtures.py

Needs PyTorch, onnx and numpy, and what make-token-fixtures.py needs. The networks and data are those of the factor
fixtures; of the small BERT, whose loss is that of a label a sample, what its file has no parameter for stays as it is. Of each network: the
objective surrogate loss(w + noise) + sqrt(BRE / 2) and its gradients by autograd with respect to the mean
w, the log standard deviations s and rho, with noise in the standard basis and in a rotated one.
The point is made up by formulas that the test repeats (`place` counts a parameter's values, `index`
parameters): s = -3 + 0.7 sin(0.7 place + index), theta_0 = 0.9 w + 0.02 cos(1.3 place), rho = -2.5; a
basis of size n is the product of the reflections at sin(1 + i) and cos(2 i). The noise is that of seed
7, step 0, by NumPy implementations of Philox4x32-10, xoshiro128++ and Box and Muller's transform of its own.
`draws`, of some networks, has the moments of loss and 0-1 error over DRAWS weights drawn by PyTorch from the posterior around w with s = -1.5 + 0.7 sin(0.7 place + index).
`surrogates`, of some, has the surrogates of the output Hessians, row by row.
"""

import json
import math
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from oracle_cases import CASES, Case
from oracle_export import folded
from oracle_network import double_labels, make_network
from torch import nn

FOLDER = Path(__file__).resolve().parent.parent / "coordinator" / "fixtures" / "posterior"
NAMES = ("mlp", "binary", "cnn-rich", "tokens", "tied-parallel", "conv-transpose")
TOKENS = "bert-small"
DRAWN, DRAWS, TOGETHER = ("mlp", "binary", "cnn-rich", TOKENS), 4000, 50
CHAINS = ("mlp", "binary")
SEED, RHO, DELTA, PRECISION, LARGEST = 7, -2.5, 0.025, 100.0, 0.1
LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Ten rounds on counters [n, 4]."""
    c = counter.astype(np.uint64)
    k = np.array(key, np.uint64)
    mask, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        a, b = c[:, 0] * np.uint64(0xD2511F53), c[:, 2] * np.uint64(0xCD9E8D57)
        c = np.stack([(b >> shift) ^ c[:, 1] ^ k[0], b & mask, (a >> shift) ^ c[:, 3] ^ k[1], a & mask], 1)
        k = (k + np.array([0x9E3779B9, 0xBB67AE85], np.uint64)) & mask
    return c


def words_of(states: np.ndarray, count: int) -> np.ndarray:
    """Words [count, generators] of xoshiro128++ from states [generators, 4]."""
    left = lambda x, bits: (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))
    s0, s1, s2, s3 = (states[:, i].astype(np.uint32) for i in range(4))
    out = np.zeros((count, len(states)), np.uint32)
    for place in range(count):
        out[place] = left(s0 + s3, 7) + s0
        shifted = s1 << np.uint32(9)
        s2, s3 = s2 ^ s0, s3 ^ s1
        s1, s0 = s1 ^ s2, s0 ^ s3
        s2, s3 = s2 ^ shifted, left(s3, 11)
    return out


def normals(count: int, parameter: int) -> np.ndarray:
    """Values 8 h + lane and 8 h + 4 + lane are made of word h of the generators lane and 4 + lane."""
    counter = np.zeros((8, 4), np.uint64)
    counter[:, 0] = np.arange(8)
    counter[:, 1], counter[:, 3] = parameter, 0x01000000
    words = words_of(philox(counter, (SEED, 0)), math.ceil(count / 8)).astype(np.int64)
    first, second = words[:, :4], words[:, 4:]
    radius = np.sqrt(-2 * np.log((first >> 1) * 2.0**-31 + 2.0**-32))
    low = (second << 2) & 0xFFFFFFFF
    angle = np.where(low >= 2**31, low - 2**32, low) * 2.0**-31 * math.pi / 4
    sine, cosine = np.sin(angle), np.cos(angle) * np.where(second & 2**30, -1, 1)
    swap = (second & 2**31) != 0
    out = np.stack([radius * np.where(swap, sine, cosine), radius * np.where(swap, cosine, sine)], 1)
    return out.reshape(-1)[:count]


def rotation(size: int) -> torch.Tensor:
    i = torch.arange(size, dtype=torch.float64)
    reflection = lambda v: torch.eye(size, dtype=torch.float64) - 2 * torch.outer(v, v) / (v @ v)
    return reflection(torch.sin(1 + i)) @ reflection(torch.cos(2 * i))


class Entry:
    """A parameter as its matrix [groups * m, n], or as it is."""

    def __init__(self, name: str, value: torch.Tensor, module: nn.Module | None, part: str) -> None:
        self.name, self.value, self.module, self.part = name, value.detach().double(), module, part
        self.groups = getattr(module, "groups", 1)
        self.transposed = part == "weight" and isinstance(module, nn.ConvTranspose2d)
        self.embeds = isinstance(module, nn.Embedding)

    def matrix(self) -> torch.Tensor:
        if self.part != "weight":
            return self.value
        if self.embeds:
            return self.value.T
        if not self.transposed:
            return self.value.flatten(1)
        apart = self.value.reshape(self.groups, -1, *self.value.shape[1:]).transpose(1, 2)
        return apart.reshape(self.groups * self.value.shape[1], -1)

    def stored(self, matrix: torch.Tensor) -> torch.Tensor:
        if self.embeds:
            return matrix.T
        if not self.transposed:
            return matrix.reshape(self.value.shape)
        m, kernel = self.value.shape[1], self.value.shape[2:]
        return matrix.reshape(self.groups, m, -1, *kernel).transpose(1, 2).reshape(self.value.shape)

    def rotated(self, noise: torch.Tensor) -> torch.Tensor:
        """U noise V^T per group, U noise of a bias or an embedding; U and V have eigenvectors as columns."""
        if self.part == "other":
            return noise
        rows = noise.reshape(self.groups, -1, *noise.shape[1:])
        turned = rotation(rows.shape[1]) @ rows.reshape(*rows.shape[:2], -1)
        if self.part == "weight" and not self.embeds:
            turned = turned @ rotation(rows.shape[2]).T
        return turned.reshape(noise.shape)


def entries(model: nn.Module) -> list[Entry]:
    named = dict(model.named_parameters())
    found = []
    for path, module in model.named_modules():
        if path in getattr(model, "absent", ()):
            del named[f"{path}.weight"]
        elif isinstance(module, (*LINEAR, nn.Embedding)):
            for part in ("weight", "bias"):
                if getattr(module, part, None) is not None:
                    name = f"{path}.{part}"
                    found.append(Entry(name, named.pop(name), module, part))
    return found + [Entry(name, value, None, "other") for name, value in named.items()]


def as_exported(case: Case, model: nn.Module) -> nn.Module:
    """The network with the values that the committed file has: training may differ between machines."""
    model = folded(model)
    file = onnx.load(FOLDER.parent / "factors" / case.name / "model.onnx")
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in file.graph.initializer}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in stored:
                parameter.copy_(torch.from_numpy(stored[name].copy()))
    return model


def penalty(distance, variance, log_std, dimension: int, rho, samples: int):
    kl = ((variance + distance) * torch.exp(-2 * rho) - dimension) / 2 + dimension * rho - log_std
    room = math.log(LARGEST) - 2 * rho
    constant = math.log(math.pi**2 * samples / (6 * DELTA))
    bre = (kl + 2 * torch.log(PRECISION * room) + constant) / (samples - 1)
    return kl, torch.sqrt(bre / 2)


def gradients(case: Case, model: nn.Module, x: tuple[torch.Tensor, ...], y: torch.Tensor, is_rotated: bool) -> dict:
    model = as_exported(case, model).double()
    found = entries(model)
    rho = torch.tensor(RHO, dtype=torch.float64, requires_grad=True)
    means, log_stds, weights = [], [], {}
    variance = distance = total = 0
    for index, entry in enumerate(found):
        w = entry.matrix().clone().requires_grad_()
        place = torch.arange(w.numel(), dtype=torch.float64).reshape(w.shape)
        s = (-3 + 0.7 * torch.sin(0.7 * place + index)).float().double().requires_grad_()
        theta = (0.9 * w.detach() + 0.02 * torch.cos(1.3 * place)).float().double()
        xi = torch.from_numpy(normals(w.numel(), index)).reshape(w.shape)
        noise = torch.exp(s) * xi
        weights[entry.name] = entry.stored(w + (entry.rotated(noise) if is_rotated else noise))
        variance = variance + torch.exp(2 * s).sum()
        distance = distance + ((w - theta) ** 2).sum()
        total = total + s.sum()
        means.append(w)
        log_stds.append(s)
    logits = torch.func.functional_call(model, weights, x)
    loss, wrong = evaluate(case, logits, y)
    dimension = sum(w.numel() for w in means)
    kl, value = penalty(distance, variance, total, dimension, rho, len(y))
    (loss + value).backward()
    return {
        "parameters": [entry.name for entry in found],
        "loss": loss.item(),
        "wrong": int(wrong),
        "kl": kl.item(),
        "penalty": value.item(),
        "rho": rho.grad.item(),
        "mean": [rounded(w.grad) for w in means],
        "log_std": [rounded(s.grad) for s in log_stds],
    }


def drawn(case: Case, model: nn.Module, x: tuple[torch.Tensor, ...], y: torch.Tensor, is_rotated: bool) -> dict:
    model = as_exported(case, model).double()
    found = entries(model)
    generator = torch.Generator().manual_seed(SEED)

    def one(*noises: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weights = {}
        for index, (entry, xi) in enumerate(zip(found, noises)):
            w = entry.matrix()
            place = torch.arange(w.numel(), dtype=torch.float64).reshape(w.shape)
            noise = torch.exp(-1.5 + 0.7 * torch.sin(0.7 * place + index)) * xi
            weights[entry.name] = entry.stored(w + (entry.rotated(noise) if is_rotated else noise))
        return evaluate(case, torch.func.functional_call(model, weights, x), y)

    losses, errors = [], []
    for _ in range(DRAWS // TOGETHER):
        shapes = [(TOGETHER, *entry.matrix().shape) for entry in found]
        noises = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
        with torch.no_grad():
            loss, wrong = torch.func.vmap(one)(*noises)
        losses += loss.tolist()
        errors += (wrong.double() / len(y)).tolist()
    moments = lambda values: {"mean": np.mean(values), "deviation": np.std(values, ddof=1)}
    return {"count": DRAWS, "loss": moments(losses), "error": moments(errors)}


def surrogates(case: Case, model: nn.Module, x: tuple[torch.Tensor, ...]) -> dict:
    """4^-L S^T E[A] S of every layer of a chain of linear layers and ReLUs, at the weights 0.9 w + 0.02 cos(1.3 place)."""
    model = as_exported(case, model).double()
    with torch.no_grad():
        for parameter in model.parameters():
            place = torch.arange(parameter.numel(), dtype=torch.float64).reshape(parameter.shape)
            parameter.copy_((0.9 * parameter + 0.02 * torch.cos(1.3 * place)).float().double())
        logits = model(*x)
        p = logits.sigmoid() if case.loss == "bce" else logits.softmax(1)
        diagonal = p * (1 - p) if case.loss == "bce" else p
        a = torch.diag(diagonal.mean(0)) - (0 if case.loss == "bce" else p.T @ p / len(p))
    chain, out = torch.eye(len(a), dtype=torch.float64), {}
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    for behind, (name, layer) in enumerate(reversed(layers)):
        out[name] = rounded(4.0**-behind * chain.T @ a @ chain)
        chain = chain @ layer.weight.detach()
    return out


def evaluate(case: Case, logits: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean surrogate loss, and the number of wrong samples."""
    if case.loss == "bce":
        loss = nn.functional.binary_cross_entropy_with_logits(logits, double_labels(y)) / math.log(2)
        return loss, ((logits > 0) != (y > 0.5)).sum()
    return nn.functional.cross_entropy(logits, y), (logits.argmax(1) != y).sum()


def rounded(values: torch.Tensor) -> list[float]:
    return [float(f"{value:.7g}") for value in values.reshape(-1).tolist()]


def token_network() -> tuple[Case, nn.Module, tuple[torch.Tensor, ...], torch.Tensor]:
    """The small BERT on the samples of its fixture."""
    tokens = import_module("make-token-fixtures")
    kind = tokens.CASES[TOKENS]
    data = np.load(FOLDER.parent / "factors" / TOKENS / "data.npz")
    x = tuple(torch.from_numpy(data[name]) for name in ("input_ids", "attention_mask"))
    model = tokens.make_network(kind)
    return Case(TOKENS, kind, (tokens.TOKENS,), kind.classes), model, x, torch.from_numpy(data["y"])


def networks():
    for case in CASES:
        if case.name in NAMES:
            model, x, y = make_network(case)
            yield case, model, (x.double(),), y
    yield token_network()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for case, model, x, y in networks():
        oracle = {}
        for basis in ("standard", "rotated"):
            rotated = basis == "rotated"
            oracle[basis] = gradients(case, model, x, y, rotated)
            if case.name in DRAWN:
                oracle[basis]["draws"] = drawn(case, model, x, y, rotated)
        if case.name in CHAINS:
            oracle["surrogates"] = surrogates(case, model, x)
        text = json.dumps(oracle, separators=(",", ":"))
        (FOLDER / f"{case.name}.json").write_text(text + "\n")
        print(case.name, len(text))


if __name__ == "__main__":
    main()
