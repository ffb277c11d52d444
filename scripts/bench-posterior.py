"""Times the steps of the PAC-Bayes optimisation as the authors' algorithm makes them, in PyTorch.

    python3 scripts/bench-posterior.py [steps]

784-600-1, batch 100, float32: whole noise matrices are rotated into the standard basis and gradients back;
objective and RMSprop on flat vectors. Prints the least processor milliseconds of a step on one thread, and the
least elapsed milliseconds with a thread on each core.
"""

import math
import sys
import time

import torch

cores = torch.get_num_threads()
IN, HIDDEN, BATCH, SAMPLES = 784, 600, 100, 10_000
steps = int(sys.argv[1]) if len(sys.argv) > 1 else 40
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(IN, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1))
x, y = torch.rand(BATCH, IN), torch.randint(0, 2, (BATCH, 1)).float()
orthogonal = lambda n: torch.linalg.qr(torch.randn(n, n))[0]
bases = [(orthogonal(HIDDEN), orthogonal(IN)), (orthogonal(1), orthogonal(HIDDEN))]
flatten, fill = torch.nn.utils.parameters_to_vector, torch.nn.utils.vector_to_parameters
sizes = [p.numel() for p in net.parameters()]


def turned(vector: torch.Tensor, back: bool) -> torch.Tensor:
    w1, b1, w2, b2 = vector.split(sizes)
    out = []
    for (u, v), w, b in zip(bases, (w1, w2), (b1, b2)):
        u, v = (u.T, v.T) if back else (u, v)
        out += [(u @ w.view(u.shape[0], -1) @ v.T).reshape(-1), u @ b]
    return torch.cat(out)


def measure(rotated: bool, clock) -> float:
    mean = torch.nn.Parameter(flatten(net.parameters()).detach().clone())
    prior = torch.zeros_like(mean)
    log_std = torch.nn.Parameter(torch.log(mean.detach().abs() + 1e-8))
    rho = torch.nn.Parameter(torch.tensor(-3.0))
    optimiser = torch.optim.RMSprop([mean, log_std, rho], lr=1e-3, alpha=0.9)
    d = mean.numel()
    best = math.inf
    for step in range(steps):
        start = clock()
        lam = torch.exp(2 * rho)
        kl = (torch.exp(2 * log_std).sum() / lam + ((mean - prior) ** 2).sum() / lam - d) / 2 + d * rho - log_std.sum()
        bre = (kl + 2 * torch.log(100 * (math.log(0.1) - 2 * rho)) + math.log(math.pi**2 * SAMPLES / 0.15)) / (SAMPLES - 1)
        torch.sqrt(bre / 2).backward()
        with torch.no_grad():
            noise = torch.randn(d) * torch.exp(log_std)
            standard = turned(noise, False) if rotated else noise
        fill(mean.detach() + standard, net.parameters())
        net.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x), y) / math.log(2)
        loss.backward()
        with torch.no_grad():
            gradient = torch.cat([p.grad.view(-1) for p in net.parameters()])
            mean.grad += gradient
            log_std.grad += (turned(gradient, True) if rotated else gradient) * noise
        optimiser.step()
        optimiser.zero_grad()
        if step > 3:
            best = min(best, clock() - start)
    return 1000 * best


for threads, clock, what in ((1, time.process_time, "of processor time"), (cores, time.perf_counter, "elapsed")):
    torch.set_num_threads(threads)
    standard, rotated = (measure(rotated, clock) for rotated in (False, True))
    print(f"PyTorch, threads: {threads}: standard basis {standard:.1f} ms {what}, rotated {rotated:.1f} ms a step")
