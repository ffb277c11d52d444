# Trains a LeNet-like CNN and an MLP on scikit-learn's 8x8 digits; writes both as ONNX, and their data.
"""
Writes into --out (default: this folder)

    lenet.onnx  mlp.onnx  input `x` float32 [batch, 1, 8, 8] -> `logits` float32 [batch, 10]
    digits.npz            x float32 [1797, 1, 8, 8] in [0, 1], y int64 [1797]

The run is seeded; on one kind of processor it makes the same files again.
Needs: torch >= 2.9, onnx, onnxscript, scikit-learn.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from torch import nn

EPOCHS = 25
BATCH = 32
LEARNING_RATE = 0.02
MOMENTUM = 0.9
TRAINING_SHARE = 0.8


class LeNet(nn.Module):
    """LeNet for 8x8 images: two convolutions with max pooling, three fully connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 16, 3, padding=1)
        self.fc1 = nn.Linear(16 * 2 * 2, 48)
        self.fc2 = nn.Linear(48, 32)
        self.fc3 = nn.Linear(32, 10)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(torch.relu(self.fc2(x)))


class MLP(nn.Module):
    """A 64-64-32-10 ReLU network that flattens its image first."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, 64)
        self.fc2 = nn.Linear(64, 32)
        self.fc3 = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(torch.relu(self.fc2(x)))


def train(model: nn.Module, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator) -> None:
    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    model.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x), generator=generator).split(BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimiser.step()
        schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    model.eval()
    return (model(x).argmax(1) == y).double().mean().item()


def export(model: nn.Module, example: torch.Tensor, path: Path) -> None:
    """Writes one self-contained file with a free batch axis."""
    model.eval()
    program = torch.onnx.export(
        model,
        (example,),
        input_names=["x"],
        output_names=["logits"],
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    proto = program.model_proto
    for node in proto.graph.node:
        # Stack traces hold the paths of the machine that exported the model.
        kept = [entry for entry in node.metadata_props if entry.key != "pkg.torch.onnx.stack_trace"]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    onnx.save(proto, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep-init", action="store_true", help="also write the untrained networks, NAME.init.onnx")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    digits = load_digits()
    x = (digits.images[:, None] / 16).astype(np.float32)
    y = digits.target.astype(np.int64)
    np.savez_compressed(options.out / "digits.npz", x=x, y=y)

    generator = torch.Generator().manual_seed(options.seed)
    training, test = torch.randperm(len(x), generator=generator).split(
        [int(TRAINING_SHARE * len(x)), len(x) - int(TRAINING_SHARE * len(x))]
    )
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    for name, kind in {"lenet": LeNet, "mlp": MLP}.items():
        torch.manual_seed(options.seed)
        model = kind()
        if options.keep_init:
            export(model, inputs[:2], options.out / f"{name}.init.onnx")
        train(model, inputs[training], labels[training], generator)
        export(model, inputs[:2], options.out / f"{name}.onnx")
        print(
            f"{name}: accuracy {accuracy(model, inputs[training], labels[training]):.4f} on the"
            f" {len(training)} training samples, {accuracy(model, inputs[test], labels[test]):.4f}"
            f" on the {len(test)} others"
        )


if __name__ == "__main__":
    main()
