# Trains a small binary MLP on scikit-learn's digits, for PAC-Bayes bounds; writes it before and after.
"""
Writes into --out (default: this folder)

    binary.onnx  binary.init.onnx   input `x` float32 [batch, 64] in [0, 1] -> `logits` float32 [batch, 1];
                                    after and before training
    binary-train.npz                x uint8 [1500, 64] in [0, 16], y uint8 [1500]: 1 for the digits 5-9
    binary-test.npz                 the other 297

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

HIDDEN = 32
EPOCHS = 200
BATCH = 32
LEARNING_RATE = 0.05
TRAINING = 1500


class Binary(nn.Module):
    """64-32-1 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(torch.relu(self.fc1(x)))


def export(model: nn.Module, path: Path) -> None:
    """Writes one self-contained file with a free batch axis, without the paths of this machine."""
    program = torch.onnx.export(
        model.eval(),
        (torch.zeros(2, 64),),
        input_names=["x"],
        output_names=["logits"],
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    proto = program.model_proto
    for node in proto.graph.node:
        kept = [entry for entry in node.metadata_props if entry.key != "pkg.torch.onnx.stack_trace"]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    onnx.save(proto, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)

    digits = load_digits()
    generator = torch.Generator().manual_seed(options.seed)
    order = torch.randperm(len(digits.target), generator=generator).numpy()
    images = digits.images.reshape(-1, 64).astype(np.uint8)[order]
    labels = (digits.target >= 5).astype(np.uint8)[order]
    for name, rows in {"train": slice(TRAINING), "test": slice(TRAINING, None)}.items():
        np.savez_compressed(options.out / f"binary-{name}.npz", x=images[rows], y=labels[rows])

    x = torch.from_numpy(images.astype(np.float32) / 16)
    y = torch.from_numpy(labels.astype(np.float32))[:, None]
    torch.manual_seed(options.seed)
    model = Binary()
    export(model, options.out / "binary.init.onnx")
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    for _ in range(EPOCHS):
        for rows in torch.randperm(TRAINING, generator=generator).split(BATCH):
            optimiser.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(model(x[rows]), y[rows]).backward()
            optimiser.step()
    export(model, options.out / "binary.onnx")
    with torch.no_grad():
        right = ((model(x) > 0).float() == y).double()
    print(f"accuracy {right[:TRAINING].mean():.4f} on the training samples, {right[TRAINING:].mean():.4f} on the others")


if __name__ == "__main__":
    main()
