"""Times the Kronecker factors of the benchmark's networks in PyTorch libraries, for scripts/bench.js --peers.

    python3 scripts/bench-peers.py [--threads 2] [--runs 5] [--batch 128]

Takes those of backpack-for-pytorch, curvlinops-for-pytorch and asdl (asdfghjkl) that are installed,
beside a plain forward and backward pass. Prints one JSON object a line:
    {"network": "lenet", "method": "exact", "who": "BackPACK KFLR",
     "minMs": 199.1, "medianMs": 204.7, "cpuMs": 391.0}
cpuMs is the least processor time of a run, all threads together, which other work on the machine
changes little.
Samples and networks are those of scripts/bench-models.js; the weights are PyTorch's own.

    python3 scripts/bench-peers.py --eigenpairs lenet.onnx --data lenet-x.npy --labels y.npy [--top 10]

times the top eigenpairs of the 256 -> 120 layer with hessian-eigenthings instead, for
scripts/bench-eigenpairs.js, with the weights of that file: as many Lanczos steps as it takes by default
(2 k), and as many as bring all residuals below 1e-6 of the largest eigenvalue. Of the Hessian, which is the
Gauss-Newton block here, since ReLUs follow the layer.
"residual" is the worst |H v - lambda v| / lambda_1, by products of its own.
"""

import argparse
import json
import statistics
import sys
import time
import warnings

import torch
from torch import nn

SAMPLES = 1024
CLASSES = 10


def lenet():
    """1x28x28; convolutions of 6 and 16 channels (5x5, max-pool 2); 256-120-84-10."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES),
    )


def fully_connected():
    """784-600-600-10."""
    return nn.Sequential(
        nn.Linear(784, 600), nn.ReLU(), nn.Linear(600, 600), nn.ReLU(), nn.Linear(600, CLASSES)
    )


NETWORKS = {"lenet": (lenet, (1, 28, 28)), "fc": (fully_connected, (784,))}


def batches_of(shape, batch):
    torch.manual_seed(0)
    x = torch.rand(SAMPLES, *shape)
    y = torch.randint(0, CLASSES, (SAMPLES,))
    return list(zip(x.split(batch), y.split(batch)))


def backpack(model, batches):
    from backpack import backpack as extended, extend
    from backpack.extensions import KFAC, KFLR

    extend(model)
    loss_function = extend(nn.CrossEntropyLoss())

    def run_with(extension, attribute):
        sums = {}
        for x, y in batches:
            loss = loss_function(model(x), y)
            with extended(extension):
                loss.backward()
            for name, parameter in model.named_parameters():
                factors = getattr(parameter, attribute)
                sums[name] = [a + b for a, b in zip(sums[name], factors)] if name in sums else factors
                delattr(parameter, attribute)

    return {
        "exact": ("BackPACK KFLR", lambda: run_with(KFLR(), "kflr")),
        "mc": ("BackPACK KFAC", lambda: run_with(KFAC(), "kfac")),
    }


def curvlinops(model, batches):
    from curvlinops import KFACLinearOperator

    parameters = dict(model.named_parameters())

    def run_with(fisher_type):
        KFACLinearOperator(
            model,
            nn.CrossEntropyLoss(),
            parameters,
            batches,
            fisher_type=fisher_type,
            check_deterministic=False,
            num_data=SAMPLES,
            num_per_example_loss_terms=1,
            separate_weight_and_bias=False,
        )

    return {
        "exact": ("curvlinops KFAC type-2", lambda: run_with("type-2")),
        "mc": ("curvlinops KFAC mc", lambda: run_with("mc")),
    }


def asdl(model, batches):
    from asdl import FISHER_EXACT, FISHER_MC, LOSS_CROSS_ENTROPY, SHAPE_KRON, FisherConfig
    from asdl import get_fisher_maker

    def run_with(fisher_type):
        config = FisherConfig(
            fisher_type, [SHAPE_KRON], loss_type=LOSS_CROSS_ENTROPY, data_size=SAMPLES
        )
        maker = get_fisher_maker(model, config)
        for index, (x, y) in enumerate(batches):
            dummy = maker.setup_model_call(model, x)
            maker.setup_loss_call(nn.functional.cross_entropy, dummy, y)
            maker.forward_and_backward(accumulate=index > 0)

    return {
        "exact": ("asdl kron", lambda: run_with(FISHER_EXACT)),
        "mc": ("asdl kron mc", lambda: run_with(FISHER_MC)),
    }


def plain(model, batches):
    loss_function = nn.CrossEntropyLoss()

    def run():
        for x, y in batches:
            loss_function(model(x), y).backward()

    return {"gradient": ("PyTorch forward and backward", run)}


PEERS = {"torch": plain, "backpack": backpack, "curvlinops": curvlinops, "asdl": asdl}


def timed(run, runs):
    """Pairs of elapsed and processor milliseconds of each run, after one that is not counted."""
    run()
    times = []
    for _ in range(runs):
        start, busy = time.perf_counter(), time.process_time()
        run()
        elapsed = time.perf_counter() - start
        times.append((elapsed * 1e3, (time.process_time() - busy) * 1e3))
    return times


def eigh_times(runs):
    """torch.linalg.eigh, to compare machines by."""
    for n in (785, 1153):
        rows = torch.randn(2 * n, n, dtype=torch.float64)
        matrix = rows.T @ rows
        yield n, timed(lambda: torch.linalg.eigh(matrix), runs)


def report(network, method, who, times):
    line = {
        "network": network,
        "method": method,
        "who": who,
        "minMs": min(elapsed for elapsed, _ in times),
        "medianMs": statistics.median(elapsed for elapsed, _ in times),
        "cpuMs": min(busy for _, busy in times),
    }
    print(json.dumps(line), flush=True)


def trained_lenet(path):
    """The LeNet with the weights of scripts/bench-models.js's file."""
    import onnx
    from onnx import numpy_helper

    model = lenet()
    stored = {each.name: numpy_helper.to_array(each).copy() for each in onnx.load(path).graph.initializer}
    layers = [layer for layer in model if hasattr(layer, "weight")]
    for name, layer in zip(("conv1", "conv2", "fc1", "fc2", "fc3"), layers):
        layer.weight.data = torch.from_numpy(stored[f"{name}.weight"])
        layer.bias.data = torch.from_numpy(stored[f"{name}.bias"])
    return model


def eigenpairs(options):
    """Top eigenpairs of the first linear layer of the LeNet, with hessian-eigenthings."""
    import hessian_eigenthings as he
    import numpy as np

    model = trained_lenet(options.eigenpairs)
    x, y = (torch.from_numpy(np.load(path)) for path in (options.data, options.labels))
    only = he.match_names("7.weight")
    batches = list(zip(x.split(options.batch), y.split(options.batch)))
    operator = he.HessianOperator(
        model, batches, he.supervised_loss(nn.functional.cross_entropy), param_filter=only
    )

    def solve(steps, seed):
        return he.lanczos(
            operator, k=options.top, max_iter=steps, which="LA", reorthogonalize=True, seed=seed
        )

    def residual(found):
        pairs = list(zip(found.eigenvalues, found.eigenvectors))
        worst = max((operator.matvec(v) - value * v).norm().item() for value, v in pairs)
        return worst / found.eigenvalues[0].item()

    def steps_to_converge():
        steps = 2 * options.top
        while steps < 200:
            found = solve(steps, 1)
            if found.residuals.max() <= 1e-6 * found.eigenvalues[0]:
                break
            steps += options.top
        return steps

    for what, steps in (("its default", 2 * options.top), ("converged", steps_to_converge())):
        times = timed(lambda: solve(steps, 1), options.runs)
        line = {
            "who": f"hessian-eigenthings, {what}",
            "minMs": min(elapsed for elapsed, _ in times),
            "medianMs": statistics.median(elapsed for elapsed, _ in times),
            "cpuMs": min(busy for _, busy in times),
            "products": steps,
            "residual": residual(solve(steps, 1)),
        }
        print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--eigenpairs", help="ONNX file of the LeNet")
    parser.add_argument("--data", help="its samples, an .npy file")
    parser.add_argument("--labels", help="their labels, an .npy file")
    parser.add_argument("--top", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    if options.eigenpairs is not None:
        eigenpairs(options)
        return
    for name, peer in PEERS.items():
        for network, (build, shape) in NETWORKS.items():
            torch.manual_seed(0)
            try:
                methods = peer(build(), batches_of(shape, options.batch))
            except ImportError as error:
                print(f"bench-peers.py: without {name}: {error}", file=sys.stderr)
                break
            for method, (who, run) in methods.items():
                report(network, method, who, timed(run, options.runs))
    for n, times in eigh_times(options.runs):
        report(f"n={n}", "eigh", "torch.linalg.eigh float64", times)


if __name__ == "__main__":
    main()
