# Says how good a basis is for a posterior around given weights of LeNet5, whatever the optimiser makes of it.
"""
The mean stays where it is; the deviations are the best that a quadratic loss has in each basis:

    sigma_i^2 = slope / (h_i + slope / lambda)      h: diagonal of the Gauss-Newton matrix in the basis
    lambda    = (sum sigma^2 + |w - theta_0|^2) / d
    slope     = 1 / (4 sqrt(BRE / 2) (N - 1)), the derivative of the penalty in KL

h is a mean over draws from the posterior so far, in four rounds. Printed: KL, mean cross-entropy and error
of 20 draws, and the objective, cross-entropy + sqrt(BRE / 2). Bases:

    standard   that of the weights themselves
    trained    Kronecker eigenbases at the trained weights, as appr has them
    own        Kronecker eigenbases at the mean itself, as iter has them after a new basis

    python3 bases.py lenet.onnx lenet.init.onnx                      the mean is the trained network
    python3 bases.py lenet.onnx lenet.init.onnx out/bound appr base  the means that `kronlens bound` found

Needs: torch >= 2.9, onnx, and pyarrow for the means.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from train import LeNet5, load

LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")
DELTA, PRECISION, LARGEST = 0.025, 100.0, 0.1
ROUNDS, DRAWS, CURVED, EVALUATED, SHOWN = 4, 4, 200, 1500, 20
Basis = dict[str, tuple[torch.Tensor, torch.Tensor]]
Values = dict[str, torch.Tensor]


def read_weights(path: Path) -> Values:
    tensors = onnx.load(path).graph.initializer
    return {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in tensors}


def read_mean(folder: Path, variant: str, like: Values) -> Values:
    import pyarrow as pa

    def read(name: str) -> torch.Tensor:
        table = pa.ipc.open_file(folder / "posterior" / f"{variant}.{name}.mean.arrow").read_all()
        return torch.tensor(table["values"].to_pylist()).float()

    return {name: read(name).reshape(value.shape) for name, value in like.items()}


def passes(net: nn.Module, x: torch.Tensor) -> Iterator[dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """Of every 100 samples and layer: x [B, P, n], and g [c, B, P, m] with g g^T summed over c the M of a position."""
    for rows in x.split(100):
        seen, hooks = {}, []
        for name in LAYERS:
            def note(_module, inputs, output, name=name):
                seen[name] = (inputs[0].detach(), output)

            hooks.append(getattr(net, name).register_forward_hook(note))
        logits = net(rows)
        for hook in hooks:
            hook.remove()
        root = logits.softmax(1).detach().sqrt()
        seeds = torch.diag_embed(root) - root[:, :, None] * (root**2)[:, None, :]
        outputs = [seen[name][1] for name in LAYERS]
        columns = [torch.autograd.grad(logits, outputs, seeds[:, k], retain_graph=True) for k in range(root.shape[1])]
        found = {}
        for index, name in enumerate(LAYERS):
            inputs, g = seen[name][0], torch.stack([column[index] for column in columns])
            if name.startswith("conv"):
                found[name] = nn.functional.unfold(inputs, 5).transpose(1, 2), g.flatten(3).transpose(2, 3)
            else:
                found[name] = inputs[:, None], g[:, :, None]
        yield found


def eigenbasis(net: nn.Module, x: torch.Tensor) -> Basis:
    """Eigenvectors of E[M] and E[X X^T] as columns."""
    sums = {}
    for found in passes(net, x):
        for name, (inputs, g) in found.items():
            m = torch.einsum("cbpi,cbpj->ij", g.double(), g.double()) / inputs.shape[1]
            n = torch.einsum("bpi,bpj->ij", inputs.double(), inputs.double())
            old = sums.get(name, (0, 0))
            sums[name] = old[0] + m, old[1] + n
    vectors = lambda matrix: torch.linalg.eigh(matrix)[1].float()
    return {name: (vectors(m), vectors(n)) for name, (m, n) in sums.items()}


def curvature(net: nn.Module, basis: Basis | None, x: torch.Tensor) -> Values:
    """Mean diagonal of the Gauss-Newton matrix in the basis: [m, n] of weights, [m] of biases."""
    total = {}
    for found in passes(net, x):
        for name, (inputs, g) in found.items():
            if basis is not None:
                u, v = basis[name]
                inputs, g = inputs @ v, g @ u
            weight = torch.einsum("cbpi,bpj->cbij", g, inputs).pow(2).sum((0, 1)) / len(x)
            bias = g.sum(2).pow(2).sum((0, 1)) / len(x)
            total[f"{name}.weight"] = total.get(f"{name}.weight", 0) + weight
            total[f"{name}.bias"] = total.get(f"{name}.bias", 0) + bias
    return total


def draw(net: nn.Module, mean: Values, deviations: Values, basis: Basis | None, generator: torch.Generator) -> None:
    drawn = {}
    for name, value in mean.items():
        deviation = deviations[name]
        noise = deviation * torch.randn(deviation.shape, generator=generator)
        if basis is not None:
            u, v = basis[name.split(".")[0]]
            noise = u @ noise @ v.T if noise.ndim > 1 else u @ noise
        drawn[name] = value + noise.reshape(value.shape)
    net.load_state_dict(drawn)


def penalty(kl: float, size: float, samples: int) -> float:
    """sqrt(BRE / 2). @param size lambda"""
    constant = 2 * math.log(PRECISION * math.log(LARGEST / size)) + math.log(math.pi**2 * samples / (6 * DELTA))
    return math.sqrt((kl + constant) / (samples - 1) / 2)


def best(net: nn.Module, mean: Values, distance: float, basis: Basis | None, x, y, samples: int) -> str:
    d = sum(value.numel() for value in mean.values())
    largest = LARGEST * math.exp(-1 / PRECISION)
    size, slope, deviations, h = 0.01, 1.5e-5, None, None
    for turn in range(ROUNDS):
        generator = torch.Generator().manual_seed(turn)
        seen = {}
        for _ in range(DRAWS):
            if deviations is None:
                net.load_state_dict(mean)
            else:
                draw(net, mean, deviations, basis, generator)
            for name, value in curvature(net, basis, x[:CURVED]).items():
                seen[name] = seen.get(name, 0) + value / DRAWS
        h = seen if h is None else {name: (h[name] + seen[name]) / 2 for name in h}
        for _ in range(20):
            deviations = {name: (slope / (value + slope / size)).sqrt() for name, value in h.items()}
            squares = sum(float(value.pow(2).sum()) for value in deviations.values())
            size = min(largest, (squares + distance) / d)
            logs = sum(float(value.log().sum()) for value in deviations.values())
            kl = ((squares + distance) / size - d + d * math.log(size)) / 2 - logs
            slope = 1 / (4 * penalty(kl, size, samples) * (samples - 1))
    generator, loss, error = torch.Generator().manual_seed(99), 0.0, 0.0
    with torch.no_grad():
        for _ in range(SHOWN):
            draw(net, mean, deviations, basis, generator)
            logits = net(x[:EVALUATED])
            loss += nn.functional.cross_entropy(logits, y[:EVALUATED]).item() / SHOWN
            error += (logits.argmax(1) != y[:EVALUATED]).double().mean().item() / SHOWN
    objective = loss + penalty(kl, size, samples)
    return f"KL {kl:7.0f}  1/2 log lambda {math.log(size) / 2:.3f}  loss {loss:.4f}  error {error:.4f}  objective {objective:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("init", type=Path)
    parser.add_argument("bound", type=Path, nargs="?", help="a result folder of kronlens bound")
    parser.add_argument("variants", nargs="*", help="whose means")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--width", type=int, default=120)
    options = parser.parse_args()
    x, y = load(options.data, "train")
    samples = len(x)
    some = torch.randperm(samples, generator=torch.Generator().manual_seed(0))[:EVALUATED]
    x, y = x[some], y[some]
    net = LeNet5(options.width, 10)
    stored, untrained = read_weights(options.model), read_weights(options.init)
    trained = {name: stored[name] for name in net.state_dict()}
    norm = lambda a, b: math.sqrt(sum(float((a[name] - b[name]).pow(2).sum()) for name in trained))
    net.load_state_dict(trained)
    fixed = eigenbasis(net, x)
    means = {"trained": trained} if options.bound is None else {
        variant: read_mean(options.bound, variant, trained) for variant in options.variants
    }
    for name, mean in means.items():
        distance = norm(mean, untrained)
        print(f"mean of {name}: {distance:.2f} from the initialisation, {norm(mean, trained):.2f} from the trained weights")
        net.load_state_dict(mean)
        bases = {"standard": None, "trained": fixed, "own": eigenbasis(net, x)}
        for kind, basis in bases.items():
            if name == "trained" and kind == "own":
                continue
            print(f"    {kind:9} {best(net, mean, distance**2, basis, x, y, samples)}", flush=True)


if __name__ == "__main__":
    main()
