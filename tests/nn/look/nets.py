"""Small nets whose answers depend on the image: residual, VGG-like and grey."""

from __future__ import annotations

import torch
from torch import Tensor

from convsmith import spec
from convsmith.nn import Net, build
from convsmith.spec import Conv, Dropout, Flatten, Linear, Network, Norm, Pool, Relu, Seq
from tests.nn.rewrites import lively

RESNET = spec("resnet20", depth=8)
VGG = Network(
    Seq(
        features=Seq(Conv(8), Relu, Pool(2), Conv(16), Relu, Conv(16), Relu, Pool(2)),
        flatten=Flatten,
        classifier=Seq(Linear(24), Relu, Dropout(0.5), Linear(6)),
    ),
    side=24,
    classes=6,
    name="small_vgg",
)
GREY = spec("lenet5")
NETS = {"resnet": RESNET, "vgg": VGG, "grey": GREY}
FLAT = Network(Seq(Flatten, Linear(8), Norm(), Relu, Linear(3)), side=4, classes=3, name="flat")


def net_of(name: str) -> Net:
    """In float32 and evaluation."""
    return lively(NETS[name]).float()


def blobs(net: Net, many: int, seed: int = 5) -> Tensor:
    """Smooth images, float (many, C, H, W) about 0."""
    channels, rows, cols = net.graph.input.shape
    coarse = torch.randn(many, channels, 6, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(rows, cols), mode="bicubic")


def fresh(name: str, **options: object) -> Net:
    """Of the zoo, with repeatable weights."""
    return build(name, seed=0, **options)  # type: ignore[arg-type]
