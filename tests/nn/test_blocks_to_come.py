"""Blocks of papers that the zoo does not have yet, said with today's combinators: the shape carries them.

Each is held to torchvision's own block: same keys in the same order, same outputs from the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn
from torchvision.models import densenet, efficientnet, mobilenetv2, shufflenetv2, squeezenet
from torchvision.models.googlenet import Inception
from torchvision.ops.misc import Conv2dNormActivation

from convsmith import build
from convsmith.spec import (
    BACK,
    HERE,
    IN,
    Branches,
    Chain,
    Conv,
    Gate,
    Identity,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Relu6,
    Residual,
    Seq,
    Shuffle,
    Sigmoid,
    Silu,
    Split,
)

pytestmark = pytest.mark.usefixtures("one_thread")

conv = partial(Conv, bias=False)


def cna(width: object, kernel: int = 1, stride: int = 1, groups: object = 1, act: Node = Relu6) -> Seq:
    """Convolution, normalisation, activation."""
    return Seq(conv(width, kernel, stride, groups=groups), Norm(), act)


def fire() -> Node:
    return Chain(
        Seq(squeeze=Conv(4), squeeze_activation=Relu),
        Branches(expand1x1=Seq(Conv(6), Relu), expand3x3=Seq(Conv(5, 3), Relu)),
    )


def torch_fire() -> nn.Module:
    block = squeezenet.Fire(8, 4, 6, 5)  # its ReLUs behind the expansions have no index of their own
    block.expand1x1, block.expand3x3 = nn.Sequential(block.expand1x1), nn.Sequential(block.expand3x3)
    return block


def inverted_residual(stride: int, width: int) -> Node:
    return Residual(Seq(conv=Seq(cna(IN * 6), cna(HERE, 3, stride, groups=HERE), conv(width), Norm())))


def squeeze_excite() -> Node:
    gate = Gate(Seq(avgpool=PoolTo(1), fc1=Conv(IN // 4), activation=Silu, fc2=Conv(BACK), scale_activation=Sigmoid))
    depthwise = cna(HERE, 5, groups=HERE, act=Silu)
    return Residual(Seq(block=Seq(cna(IN * 6, act=Silu), depthwise, gate, cna(8, act=Identity))))


def torch_squeeze_excite() -> nn.Module:
    config = efficientnet.MBConvConfig(6, 5, 1, 8, 8, 1)
    block = efficientnet.MBConv(config, stochastic_depth_prob=0.0, norm_layer=nn.BatchNorm2d)
    assert isinstance(block.block[0], Conv2dNormActivation)
    return block


def dense_layer() -> Node:
    body = Seq(norm1=Norm(), relu1=Relu, conv1=conv(12), norm2=Norm(), relu2=Relu, conv2=conv(3, 3))
    return Branches(Identity, body)


class TorchDense(densenet._DenseLayer):
    """DenseNet's block concatenates outside of the layer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, super().forward(x)], 1)


def inception() -> Node:
    def unit(width: int, kernel: int = 1) -> Seq:
        return Seq(conv=conv(width, kernel), bn=Norm(1e-3), relu=Relu)

    return Branches(
        branch1=unit(4), branch2=Seq(unit(3), unit(6, 3)), branch3=Seq(unit(2), unit(5, 3)),
        branch4=Seq(Pool(3, 1, 1, ceil=True), unit(7)),
    )  # fmt: skip


def shuffle_unit(stride: int) -> Node:
    right = Seq(conv(4), Norm(), Relu, conv(HERE, 3, stride, groups=HERE), Norm(), conv(4), Norm(), Relu)
    if stride == 1:
        return Chain(Split(branch1=Identity, branch2=right), Seq(shuffle=Shuffle(2)))
    left = Seq(conv(HERE, 3, stride, groups=HERE), Norm(), conv(4), Norm(), Relu)
    return Chain(Branches(branch1=left, branch2=right), Seq(shuffle=Shuffle(2)))


BLOCKS: dict[str, tuple[Node, Callable[[], nn.Module]]] = {
    "SqueezeNet fire": (fire(), torch_fire),
    "MobileNet v2, skip": (inverted_residual(1, 8), lambda: mobilenetv2.InvertedResidual(8, 8, 1, 6)),
    "MobileNet v2, stride": (inverted_residual(2, 6), lambda: mobilenetv2.InvertedResidual(8, 6, 2, 6)),
    "EfficientNet MBConv with squeeze-excite": (squeeze_excite(), torch_squeeze_excite),
    "DenseNet layer": (dense_layer(), lambda: TorchDense(8, 3, 4, 0.0)),
    "GoogLeNet inception": (inception(), lambda: Inception(8, 4, 3, 6, 2, 5, 7)),
    "ShuffleNet v2 unit": (shuffle_unit(1), lambda: shufflenetv2.InvertedResidual(8, 8, 1)),
    "ShuffleNet v2 unit, stride": (shuffle_unit(2), lambda: shufflenetv2.InvertedResidual(8, 8, 2)),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_has_torchvisions_keys_and_outputs(name: str) -> None:
    node, reference = BLOCKS[name]
    torch.manual_seed(0)
    theirs = reference().eval()
    ours = build(Seq(block=node), side=9, channels=8).eval()
    state = {f"block.{key}": value for key, value in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    image = torch.randn(2, 8, 9, 9)
    with torch.no_grad():
        assert torch.allclose(ours(image), theirs(image), atol=1e-6)
