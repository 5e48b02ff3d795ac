"""`resnet`: residual nets whose stages have a depth and a width each, of plain or bottleneck blocks, grouped or not.

After the AnyNet space of Radosavovic et al. 2020, "Designing network design spaces", section 3.2 (arXiv:2003.13678),
with ResNet's blocks: `basic` (He et al. 2015, Fig. 5 left) or a bottleneck of four times the width at its end (Fig. 5
right) whose 3x3 is split into groups (Xie et al. 2017, Fig. 3 c).
"""

from __future__ import annotations

from functools import partial

from convsmith.search.spaces.chain import SIDE, chain
from convsmith.search.spaces.choice import Choice, Settings
from convsmith.search.spaces.segment import Segment
from convsmith.search.spaces.space import Space
from convsmith.spec import Conv, Flatten, Linear, Norm, Pool, PoolTo, Relu, Seq
from convsmith.zoo.resnet import basic, stage
from convsmith.zoo.resnext import bottleneck

ABOUT = (
    "after the AnyNet space of Radosavovic et al. 2020 (arXiv:2003.13678), section 3.2: depth and width by stage, with "
    "ResNet's basic and bottleneck blocks and ResNeXt's groups; three stages for images of up to 64 pixels, else four, "
    "and then also smaller images"
)
SMALL = 64
"""Images up to this side have a CIFAR net's stem and three stages."""
EXPANSION = 4
GROUPS = (1, 2, 4, 8)
DEPTHS = (1, 2, 3, 4, 6)


def resnet(*, side: int = 224, channels: int = 3, classes: int = 1000) -> Space:
    """Choices: block, groups, the stem's width, each stage's depth and width, and, of large images, the side."""
    small = side <= SMALL
    first = (8, 16, 24, 32) if small else (16, 32, 48, 64)
    choices = [
        Choice("block", ("basic", "bottleneck")),
        Choice("groups", GROUPS, when=("block", ("bottleneck",))),
        Choice("stem.width", first),
    ]
    sides = tuple(sorted({side, *(s for s in (96, 128, 160, 192) if s < side)}))
    if not small:
        choices.insert(0, Choice(SIDE, sides))
    segments = [Segment("stem", partial(_stem, small), ("stem.width",), ("stem.width",))]
    for number in range(1, 4 if small else 5):
        name, widths = f"stage{number}", tuple(width << number - 1 for width in first)
        choices += [Choice(f"{name}.depth", DEPTHS), Choice(f"{name}.width", widths)]
        reads = ("block", "groups", f"{name}.depth", f"{name}.width")
        segments.append(Segment(name, partial(_stage, number), reads, ("block", f"{name}.width")))
    segments.append(Segment("head", lambda _: Seq(avgpool=PoolTo(1), flatten=Flatten, fc=Linear(classes))))
    return chain("resnet", ABOUT, choices, segments, side=side, channels=channels, classes=classes, init="he_fan_out")


def _stem(small: bool, settings: Settings) -> Seq:
    width = int(settings["stem.width"])
    if small:
        return Seq(conv1=Conv(width, 3, bias=False), bn1=Norm(), relu=Relu)
    return Seq(conv1=Conv(width, 7, 2, bias=False), bn1=Norm(), relu=Relu, maxpool=Pool(3, 2, 1))


def _stage(number: int, settings: Settings) -> Seq:
    width, depth = int(settings[f"stage{number}.width"]), int(settings[f"stage{number}.depth"])
    stride = 1 if number == 1 else 2
    if settings["block"] == "basic":
        return stage(partial(basic, width), stride, depth)
    groups = int(settings["groups"])
    return stage(lambda s: bottleneck(width, EXPANSION * width, s, groups), stride, depth)
