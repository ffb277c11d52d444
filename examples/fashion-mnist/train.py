# Trains LeNet5 on Fashion-MNIST read from IDX files, and writes it as ONNX.
"""
Writes into --out (default: this folder)

    lenet5.onnx   input `x` float32 [batch, 28, 28] in [0, 1] -> `logits` float32 [batch, 10]

The input has the shape of the IDX file's images; the channel axis is added inside the model.
Needs: torch >= 2.9, onnx, onnxscript, and the four IDX files of Fashion-MNIST in --data
(Debian: `apt-get install dataset-fashion-mnist`).
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

BATCH = 128
LEARNING_RATE = 0.01
SCALE = 1 / 255


class LeNet5(nn.Module):
    """Convolutions of 6 and 16 channels (5x5) with max pooling, then 256-120-84-10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(256, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.conv1(x.unsqueeze(1))))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(torch.relu(self.fc2(x)))


def read_idx(path: Path) -> np.ndarray:
    """The bytes of an IDX file of unsigned bytes, in the shape that its header states."""
    with gzip.open(path) as file:
        content = file.read()
    if content[:3] != b"\0\0\x08":
        raise SystemExit(f"{path}: not an IDX file of unsigned bytes")
    rank = content[3]
    shape = np.frombuffer(content, ">i4", rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    return torch.from_numpy(images.astype(np.float32) * np.float32(SCALE)), torch.from_numpy(
        labels.astype(np.int64)
    )


@torch.no_grad()
def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    hits = [(model(part).argmax(1) == label).sum() for part, label in zip(x.split(1000), y.split(1000))]
    return sum(hit.item() for hit in hits) / len(x)


def export(model: nn.Module, example: torch.Tensor, path: Path) -> None:
    """Writes one self-contained file with a free batch axis."""
    program = torch.onnx.export(
        model.eval(),
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
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    x, y = load(options.data, "train")
    torch.manual_seed(options.seed)
    model = LeNet5()
    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=options.momentum)
    for epoch in range(options.epochs):
        model.train()
        for rows in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimiser.step()
        model.eval()
        print(f"epoch {epoch + 1}: accuracy {accuracy(model, x, y):.4f} on the training images")
    test_x, test_y = load(options.data, "t10k")
    print(f"accuracy {accuracy(model, test_x, test_y):.4f} on the test images")
    export(model, x[:2], options.out / "lenet5.onnx")


if __name__ == "__main__":
    main()
