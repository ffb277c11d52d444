# The models of the zoo: architectures that users bring, whole and, of each family, a narrow one for the tests.
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import timm
import torch
from torch import nn
from torchvision import models
from torchvision.models import convnext, densenet, efficientnet, mobilenetv2, resnet, vgg
from torchvision.models.vision_transformer import VisionTransformer
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2LMHeadModel

IGNORED = -100


@dataclass(frozen=True)
class ZooModel:
    """An architecture, and data that fit it."""

    make: Callable[[], nn.Module]
    classes: int
    image: tuple[int, ...] | None = None
    """The shape of an input image; None: token ids."""
    vocabulary: int = 0
    tokens: int = 0
    per_token: bool = False
    """Logits for every token."""
    large: bool = False
    """Over 100 MB: it is exported with external data."""

    def data(self, samples: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Inputs by name and labels, drawn from torch's generator."""
        if self.image is not None:
            return {"x": torch.randn(samples, *self.image)}, torch.randint(self.classes, (samples,))
        ids = torch.randint(self.vocabulary, (samples, self.tokens))
        lengths = torch.randint(2, self.tokens + 1, (samples,))
        mask = (torch.arange(self.tokens) < lengths[:, None]).long()
        inputs = {"input_ids": ids, "attention_mask": mask}
        if not self.per_token:
            return inputs, torch.randint(self.classes, (samples,))
        y = torch.full_like(ids, IGNORED)
        y[:, :-1] = torch.where(mask[:, 1:] == 1, ids[:, 1:], IGNORED)
        return inputs, y


class Bert(nn.Module):
    def __init__(self, **sizes: int) -> None:
        super().__init__()
        self.model = BertForSequenceClassification(BertConfig(attn_implementation="eager", **sizes))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


class Gpt2(nn.Module):
    def __init__(self, **sizes: int) -> None:
        super().__init__()
        self.model = GPT2LMHeadModel(GPT2Config(attn_implementation="eager", **sizes))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits


def image(make: Callable[..., nn.Module], side: int = 64, large: bool = False, **options) -> ZooModel:
    return ZooModel(partial(make, **options), 1000, (3, side, side), large=large)


def bert(sizes: dict[str, int], tokens: int) -> ZooModel:
    make = partial(Bert, **sizes)
    return ZooModel(make, sizes["num_labels"], vocabulary=sizes["vocab_size"], tokens=tokens)


def gpt2(sizes: dict[str, int], tokens: int, large: bool = False) -> ZooModel:
    vocabulary = sizes["vocab_size"]
    return ZooModel(
        partial(Gpt2, **sizes), vocabulary, vocabulary=vocabulary, tokens=tokens, per_token=True, large=large
    )


def timm_model(name: str, side: int = 64, **options) -> ZooModel:
    return image(partial(timm.create_model, name, pretrained=False), side, **options)


ZOO = {
    "resnet18": image(models.resnet18),
    # Its classifier wants maps of 7 x 7: smaller images are pooled unevenly, which exports badly.
    "vgg11_bn": image(models.vgg11_bn, 224, large=True),
    "mobilenet_v2": image(models.mobilenet_v2),
    "densenet121": image(models.densenet121),
    "efficientnet_b0": image(models.efficientnet_b0),
    "convnext_tiny": image(models.convnext_tiny, large=True),
    "vit_b_16": image(models.vit_b_16, 64, large=True, image_size=64),
    "vit_b_16_224": image(models.vit_b_16, 224, large=True),
    "bert": bert(
        {"vocab_size": 1000, "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4,
         "intermediate_size": 512, "max_position_embeddings": 64, "num_labels": 5},
        24,
    ),
    "gpt2": gpt2(
        {"vocab_size": 1000, "n_positions": 64, "n_embd": 128, "n_layer": 4, "n_head": 4}, 24
    ),
    "gpt2_124m": gpt2({"vocab_size": 50257, "n_positions": 1024}, 64, large=True),
    "timm_regnety_002": timm_model("regnety_002"),
    "timm_swin_tiny": timm_model("swin_tiny_patch4_window7_224", 64, img_size=64, window_size=2, large=True),
    "timm_mixer_s32": timm_model("mixer_s32_224", 64, img_size=64),
}

CLASSES = 5


class Head(nn.Module):
    """Blocks of a family between a first convolution and a classifier; images have `first` channels without one."""

    def __init__(self, first: int, blocks: nn.Module, last: int) -> None:
        super().__init__()
        self.stem = nn.Identity() if first == 3 else nn.Conv2d(3, first, 3, padding=1)
        self.blocks = blocks
        self.head = nn.Linear(last, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def narrow_resnet() -> nn.Module:
    down = nn.Sequential(nn.Conv2d(4, 6, 1, 2, bias=False), nn.BatchNorm2d(6))
    return Head(4, nn.Sequential(resnet.BasicBlock(4, 6, 2, down), resnet.BasicBlock(6, 6)), 6)


def narrow_vgg() -> nn.Module:
    return Head(3, vgg.make_layers([5, "M", 6, "M"], batch_norm=True), 6)


def narrow_mobilenet() -> nn.Module:
    block = mobilenetv2.InvertedResidual
    return Head(4, nn.Sequential(block(4, 6, 2, 2), block(6, 6, 1, 2)), 6)


def narrow_densenet() -> nn.Module:
    return densenet.DenseNet(growth_rate=3, block_config=(2, 2), num_init_features=6, bn_size=2, num_classes=CLASSES)


def narrow_efficientnet() -> nn.Module:
    setting = efficientnet.MBConvConfig(2, 3, 1, 8, 8, 1)
    return Head(8, efficientnet.MBConv(setting, 0.1, partial(nn.BatchNorm2d, eps=1e-3)), 8)


def narrow_convnext() -> nn.Module:
    setting = [convnext.CNBlockConfig(6, 8, 1), convnext.CNBlockConfig(8, None, 1)]
    return convnext.ConvNeXt(setting, num_classes=CLASSES)


def narrow_vit() -> nn.Module:
    model = VisionTransformer(8, 4, 1, 2, 8, 12, num_classes=CLASSES)
    return model


def narrow_swin() -> nn.Module:
    return timm.models.SwinTransformer(
        img_size=16, patch_size=2, window_size=2, embed_dim=8, depths=(2,), num_heads=(2,), num_classes=CLASSES
    )


def narrow_mixer() -> nn.Module:
    return timm.models.MlpMixer(img_size=8, patch_size=4, num_blocks=1, embed_dim=8, num_classes=CLASSES)


def narrow_groupnorm() -> nn.Module:
    norm = partial(nn.GroupNorm, 2)
    down = nn.Sequential(nn.Conv2d(4, 6, 1, 2, bias=False), norm(6))
    return Head(4, resnet.BasicBlock(4, 6, 2, down, norm_layer=norm), 6)


class SlicedPositions(nn.Module):
    """Positions whose rows are cut out of their table, as in many hand-written GPTs."""

    def __init__(self, vocabulary: int, positions: int, width: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.head = nn.Linear(width, vocabulary)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        x = self.wte(input_ids) + self.wpe.weight[: input_ids.shape[1]]
        mixed = (x * attention_mask[..., None]).cumsum(1)
        return self.head(x + self.mlp(self.norm(mixed)))


def small(make: Callable[[], nn.Module], side: int = 8) -> ZooModel:
    return ZooModel(make, CLASSES, (3, side, side))


NARROW = {
    "resnet": small(narrow_resnet),
    "resnet-groupnorm": small(narrow_groupnorm),
    "vgg": small(narrow_vgg),
    "mobilenet": small(narrow_mobilenet),
    "densenet": small(narrow_densenet, 16),
    "efficientnet": small(narrow_efficientnet),
    "convnext": small(narrow_convnext, 16),
    "vit": small(narrow_vit),
    "timm-swin": small(narrow_swin, 16),
    "timm-mixer": small(narrow_mixer),
    "bert": bert(
        {"vocab_size": 13, "hidden_size": 6, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 9, "max_position_embeddings": 8, "num_labels": CLASSES},
        5,
    ),
    "gpt2": gpt2(
        {"vocab_size": 11, "n_positions": 8, "n_embd": 6, "n_layer": 1, "n_head": 2, "n_inner": 10}, 5
    ),
    "sliced-positions": ZooModel(partial(SlicedPositions, 11, 8, 6), 11, vocabulary=11, tokens=5, per_token=True),
}
