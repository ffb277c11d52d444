# Trains a network on Fashion-MNIST read from IDX files, and writes it as ONNX, with its initialisation.
"""
Writes into --out (default: this folder), NAME being --name or the model's:

    NAME.onnx        input `x` float32 [batch, 28, 28] in [0, 1] -> `logits` float32 [batch, 10]
    NAME.init.onnx   the same network before training, with --keep-init
    NAME.10.onnx     the same network after 10 epochs, with --checkpoints 10

With --binary the classes are 0-4 against 5-9, `logits` is [batch, 1], and the labels 0 and 1 are written as
train-labels-binary-idx1-ubyte.gz and t10k-labels-binary-idx1-ubyte.gz.

The input has the shape of the IDX file's images; the channel axis is added inside the model. The same
seed gives the same initialisation.
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
SCALE = 1 / 255


class LeNet5(nn.Module):
    """Convolutions of 6 and 16 channels (5x5) with max pooling, then 256-width-84-outputs."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(256, width)
        self.fc2 = nn.Linear(width, 84)
        self.fc3 = nn.Linear(84, outputs)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.conv1(x.unsqueeze(1))))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(torch.relu(self.fc2(x)))


class FullyConnected(nn.Module):
    """784-hidden-...-outputs with ReLU; layers fc1, fc2, ..."""

    def __init__(self, hidden: list[int], outputs: int) -> None:
        super().__init__()
        sizes = [784, *hidden, outputs]
        self.depth = len(hidden) + 1
        for layer, (inputs, units) in enumerate(zip(sizes, sizes[1:]), 1):
            setattr(self, f"fc{layer}", nn.Linear(inputs, units))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.flatten(x, 1)
        for layer in range(1, self.depth):
            x = torch.relu(getattr(self, f"fc{layer}")(x))
        return getattr(self, f"fc{self.depth}")(x)


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


def write_labels(path: Path, labels: torch.Tensor) -> None:
    """A gzipped IDX file of unsigned bytes."""
    header = b"\0\0\x08\x01" + len(labels).to_bytes(4, "big")
    path.write_bytes(gzip.compress(header + labels.to(torch.uint8).numpy().tobytes(), mtime=0))


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, or for one logit the logistic loss."""
    if logits.shape[1] > 1:
        return nn.functional.cross_entropy(logits, labels)
    return nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels.float())


@torch.no_grad()
def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    hits = 0
    for part, label in zip(x.split(1000), y.split(1000)):
        logits = model(part)
        predicted = logits.argmax(1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()
        hits += (predicted == label).sum().item()
    return hits / len(x)


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
    parser.add_argument("--name", help="default: lenet5 or mlp")
    parser.add_argument("--hidden", help="a fully-connected network with these widths, as in 200,200")
    parser.add_argument("--width", type=int, default=120, help="of LeNet5's first linear layer")
    parser.add_argument("--binary", action="store_true", help="classes 0-4 against 5-9, one logit")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep-init", action="store_true", help="also write the untrained network")
    parser.add_argument("--checkpoints", default="", help="also write the network after these epochs, as in 10,20")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    x, y = load(options.data, "train")
    test_x, test_y = load(options.data, "t10k")
    if options.binary:
        y, test_y = (y >= 5).long(), (test_y >= 5).long()
        for part, labels in (("train", y), ("t10k", test_y)):
            write_labels(options.out / f"{part}-labels-binary-idx1-ubyte.gz", labels)
    outputs = 1 if options.binary else 10
    torch.manual_seed(options.seed)
    if options.hidden:
        name, model = "mlp", FullyConnected([int(n) for n in options.hidden.split(",")], outputs)
    else:
        name, model = "lenet5", LeNet5(options.width, outputs)
    name = options.name or name
    if options.keep_init:
        export(model, x[:2], options.out / f"{name}.init.onnx")
    optimiser = torch.optim.SGD(model.parameters(), lr=options.learning_rate, momentum=options.momentum)
    checkpoints = {int(epoch) for epoch in options.checkpoints.split(",") if epoch}
    for epoch in range(1, options.epochs + 1):
        model.train()
        for rows in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            loss_of(model(x[rows]), y[rows]).backward()
            optimiser.step()
        model.eval()
        print(f"epoch {epoch}: accuracy {accuracy(model, x, y):.4f} on the training images", flush=True)
        if epoch in checkpoints:
            export(model, x[:2], options.out / f"{name}.{epoch}.onnx")
    print(f"accuracy {accuracy(model, test_x, test_y):.4f} on the test images")
    export(model, x[:2], options.out / f"{name}.onnx")


if __name__ == "__main__":
    main()
