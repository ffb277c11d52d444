# The networks of the factor fixtures: small, each with the ops and layer uses that it is named after.
from collections.abc import Callable
from dataclasses import dataclass

import torch
from oracle_factors import Variant
from torch import nn

EXPAND = Variant()
REDUCE = Variant(sharing="reduce")
JOINT = Variant(bias="joint")
EMPIRICAL = Variant(curvature="fisher-empirical")

FIXED = ("batch1", "batch8")
TORCHSCRIPT = ("torchscript11", "torchscript17")


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    outputs: int
    loss: str = "cross-entropy"
    samples: int = 21
    variants: tuple[Variant, ...] = (EXPAND,)
    """Files beside model.onnx: model.<export>.onnx."""
    exports: tuple[str, ...] = ()
    """The exact blocks are stored too."""
    exact: bool = False


class Mlp(nn.Module):
    def __init__(self, sizes: tuple[int, ...], activation: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.activation = activation
        for index in range(1, len(sizes)):
            self.add_module(f"fc{index}", nn.Linear(sizes[index - 1], sizes[index]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        *hidden, last = self.children()
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.conv2 = nn.Conv2d(4, 5, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(20, 12)
        self.fc2 = nn.Linear(12, 8)
        self.fc3 = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(torch.relu(self.fc2(x)))


class RichBlock(nn.Module):
    """relu -> BatchNorm cannot be folded; groups, a dilated depthwise convolution, a residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.depthwise(self.norm(torch.relu(self.grouped(x))))


class RichCnn(nn.Module):
    """conv -> BatchNorm folds; stride, padding, overlapping and average pooling, global pooling."""

    FOLDED = (("stem", "stem_norm"),)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(8)
        self.max_pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.block = RichBlock()
        self.average_pool = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        self.pointwise = nn.Conv2d(8, 6, 1)
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.max_pool(torch.relu(self.stem_norm(self.stem(x))))
        x = self.average_pool(torch.relu(self.block(x)))
        x = nn.functional.adaptive_avg_pool2d(torch.relu(self.pointwise(x)), 1)
        return self.head(torch.flatten(x, 1))


class Conv1d(nn.Module):
    """`same` padding of an even kernel is asymmetric; LeakyReLU, PReLU and average pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(3, 6, 5, stride=2, padding=2, dilation=2)
        self.prelu = nn.PReLU(6)
        self.conv2 = nn.Conv1d(6, 6, 4, padding="same")
        self.pool = nn.AvgPool1d(2, padding=1)
        self.fc = nn.Linear(24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.leaky_relu(self.conv2(self.prelu(self.conv1(x))), 0.1)
        return self.fc(torch.flatten(self.pool(x), 1))


class Conv3d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(2, 4, 2, stride=(2, 1, 1), padding=(1, 0, 1))
        self.conv2 = nn.Conv3d(4, 4, (1, 2, 3), padding=(0, 1, 0))
        self.fc = nn.Linear(36, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool3d(torch.relu(self.conv1(x)), (1, 2, 2), ceil_mode=True)
        return self.fc(torch.flatten(torch.relu(self.conv2(x)), 1))


class ConvTranspose(nn.Module):
    """
    Stride with output padding and a BatchNorm behind it; groups with dilation. The TorchScript
    exporter does not fold that BatchNorm.
    """

    FOLDED = (("up1", "norm"),)

    def __init__(self) -> None:
        super().__init__()
        self.up1 = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.up2 = nn.ConvTranspose2d(4, 6, 2, dilation=2, groups=2)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.up2(torch.relu(self.norm(self.up1(x)))))
        return self.fc(x.mean((2, 3)))


class TiedParallel(nn.Module):
    """One Linear on two parts of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(6, 7)
        self.head = nn.Linear(14, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [torch.relu(self.shared(x[:, :6])), torch.relu(self.shared(x[:, 6:]))]
        return self.head(torch.cat(parts, 1))


class TiedSequential(nn.Module):
    """One Linear three times in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(5, 7)
        self.shared = nn.Linear(7, 7)
        self.head = nn.Linear(7, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.embed(x))
        for _ in range(3):
            x = torch.relu(self.shared(x))
        return self.head(x)


class TiedParameter(nn.Module):
    """
    Two convolutions that hold one parameter, with different paddings and one bias each. The
    TorchScript exporter names it after the first of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 3, 3)
        self.second = nn.Conv2d(2, 3, 3, padding=1, stride=2)
        self.second.weight = self.first.weight
        self.head = nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = torch.relu(self.first(x)), torch.relu(self.second(x))
        return self.head(first.mean((2, 3)) - second.amax((2, 3)))


class Tokens(nn.Module):
    """Linear layers on [batch, token, feature]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 9)
        self.mix = nn.Linear(9, 7, bias=False)
        self.head = nn.Linear(7, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.mix(torch.relu(self.embed(x)))).mean(1))


class TokensMerged(nn.Module):
    """Tokens and samples flattened together: samples first, then tokens first."""

    def __init__(self) -> None:
        super().__init__()
        self.samples_first = nn.Linear(6, 8)
        self.tokens_first = nn.Linear(8, 7)
        self.head = nn.Linear(7, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        x = torch.relu(self.samples_first(x.reshape(batch * tokens, 6))).reshape(batch, tokens, 8)
        x = torch.relu(self.tokens_first(x.transpose(0, 1).reshape(tokens * batch, 8)))
        return self.head(x.reshape(tokens, batch, 7).amax(0))


class LayerNormTokens(nn.Module):
    """A transformer's encoder block: LayerNorms in front, attention of two heads, GELU; tokens averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.norm1 = nn.LayerNorm(8)
        self.query = nn.Linear(8, 8)
        self.key = nn.Linear(8, 8)
        self.value = nn.Linear(8, 8)
        self.mix = nn.Linear(8, 8)
        self.norm2 = nn.LayerNorm(8)
        self.fc1 = nn.Linear(8, 12)
        self.fc2 = nn.Linear(12, 8)
        self.head = nn.Linear(8, 4)

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = x.shape
        return x.reshape(batch, tokens, 2, 4).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        y = self.norm1(x)
        query, key, value = (self.heads(layer(y)) for layer in (self.query, self.key, self.value))
        y = torch.softmax(query @ key.transpose(2, 3) / 2, -1) @ value
        x = x + self.mix(y.transpose(1, 2).flatten(2))
        x = x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))
        return self.head(x.mean(1))


class RmsNormTokens(nn.Module):
    """A decoder's block: RMSNorm, rotary positions, causal attention with one key head for two, SwiGLU."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.norm1 = nn.RMSNorm(8, eps=1e-5)
        self.query = nn.Linear(8, 8, bias=False)
        self.key = nn.Linear(8, 4, bias=False)
        self.value = nn.Linear(8, 4, bias=False)
        self.mix = nn.Linear(8, 8, bias=False)
        self.norm2 = nn.RMSNorm(8, eps=1e-5)
        self.gate = nn.Linear(8, 10, bias=False)
        self.up = nn.Linear(8, 10, bias=False)
        self.down = nn.Linear(10, 8, bias=False)
        self.head = nn.Linear(8, 4)

    def turned(self, x: torch.Tensor) -> torch.Tensor:
        angle = torch.arange(x.shape[2], dtype=x.dtype)[:, None] * torch.tensor([1.0, 0.1], dtype=x.dtype)
        a, b = x.chunk(2, -1)
        return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        y = self.norm1(x)
        query = self.turned(self.query(y).unflatten(2, (2, 4)).transpose(1, 2))
        key = self.turned(self.key(y)[:, None]).expand_as(query)
        value = self.value(y)[:, None].expand_as(query)
        y = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.mix(y.transpose(1, 2).flatten(2))
        y = self.norm2(x)
        x = x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))
        return self.head(x[:, -1])


class GroupNormCnn(nn.Module):
    """Normalisation by groups, by channels and by the position's channels; SiLU; bilinear upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.group_norm = nn.GroupNorm(2, 4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.instance_norm = nn.InstanceNorm2d(4, affine=True)
        self.conv3 = nn.Conv2d(4, 5, 1)
        self.layer_norm = nn.LayerNorm(5)
        self.head = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.silu(self.group_norm(self.conv1(x)))
        x = nn.functional.interpolate(x, size=(5, 6), mode="bilinear")
        x = nn.functional.silu(self.instance_norm(self.conv2(x)))
        x = self.layer_norm(self.conv3(x).permute(0, 2, 3, 1))
        return self.head(nn.functional.gelu(x, approximate="tanh").mean((1, 2)))


def identity(x: torch.Tensor) -> torch.Tensor:
    return x


CASES = (
    Case("mlp", lambda: Mlp((10, 12, 8, 5), torch.relu), (10,), 5, samples=29, exports=FIXED + TORCHSCRIPT,
         variants=(EXPAND, JOINT, EMPIRICAL)),
    Case("mlp-tanh", lambda: Mlp((8, 10, 7, 4), torch.tanh), (8,), 4, variants=(EXPAND, EMPIRICAL)),
    Case("mlp-gelu", lambda: Mlp((8, 9, 6, 4), nn.functional.gelu), (8,), 4),
    Case("lenet-small", LeNet, (1, 14, 14), 5, samples=29, exports=FIXED + TORCHSCRIPT,
         variants=(EXPAND, REDUCE, JOINT, EMPIRICAL)),
    Case("cnn-rich", RichCnn, (3, 9, 9), 5, exports=FIXED + TORCHSCRIPT, variants=(EXPAND, REDUCE)),
    Case("conv1d", Conv1d, (3, 16), 4, exports=FIXED + TORCHSCRIPT),
    Case("conv3d", Conv3d, (2, 4, 4, 4), 4),
    Case("conv-transpose", ConvTranspose, (4, 3, 3), 4, exports=FIXED, variants=(EXPAND, REDUCE, JOINT)),
    Case("tied-parallel", TiedParallel, (12,), 4, exports=FIXED + TORCHSCRIPT, variants=(EXPAND, REDUCE)),
    Case("tied-sequential", TiedSequential, (5,), 4),
    Case("tied-parameter", TiedParameter, (2, 6, 6), 4, exports=FIXED),
    Case("tokens", Tokens, (5, 6), 4, exports=FIXED + TORCHSCRIPT, variants=(EXPAND, REDUCE, JOINT)),
    Case("tokens-merged", TokensMerged, (5, 6), 4, exports=FIXED + TORCHSCRIPT),
    Case("layernorm-tokens", LayerNormTokens, (5, 6), 4, exports=TORCHSCRIPT),
    Case("rmsnorm-tokens", RmsNormTokens, (5, 6), 4),
    Case("groupnorm-cnn", GroupNormCnn, (2, 7, 6), 4, exports=("torchscript17",)),
    Case("deep-linear", lambda: Mlp((6, 5, 4, 3), identity), (6,), 3, samples=1, exact=True),
    Case("binary", lambda: Mlp((6, 8, 1), torch.relu), (6,), 1, loss="bce", variants=(EXPAND, EMPIRICAL)),
    Case("multilabel", lambda: Mlp((6, 8, 3), torch.relu), (6,), 3, loss="bce"),
    Case("regression", lambda: Mlp((6, 8, 3), torch.relu), (6,), 3, loss="mse",
         variants=(EXPAND, EMPIRICAL)),
)


def make_data(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """x float32 [N, *shape], not centred; y int64 [N] of classes, or float32 [N, outputs]."""
    x = torch.randn(case.samples, *case.shape) + 0.3
    if case.loss == "cross-entropy":
        return x, torch.randint(case.outputs, (case.samples,))
    if case.loss == "bce":
        return x, torch.randint(2, (case.samples, case.outputs)).float()
    return x, torch.randn(case.samples, case.outputs)
