# The trained network of a fixture case and its data; the same bits for every script on one machine.
import torch
from oracle_cases import Case, make_data
from oracle_factors import loss_of
from torch import nn

TRAINING_STEPS = 15


def make_network(case: Case) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """The network in evaluation mode, in float32, with x [N, ...] and y as `make_data` gives them."""
    torch.manual_seed(0)
    model = case.make()
    x, y = make_data(case)
    train(model, case, x, y)
    return model, x, y


def train(model: nn.Module, case: Case, x: torch.Tensor, y: torch.Tensor) -> None:
    """A few steps, so that the predictions are no longer uniform and BatchNorm has statistics."""
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    model.train()
    for _ in range(TRAINING_STEPS):
        optimiser.zero_grad()
        mean_loss(case, model(x), y).backward()
        optimiser.step()
    model.eval()


def mean_loss(case: Case, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return sum(loss_of(case.loss, f, label) for f, label in zip(logits, y)) / len(y)


def double_labels(y: torch.Tensor) -> torch.Tensor:
    """Labels beside a network in float64: classes stay int64."""
    return y.double() if y.is_floating_point() else y
