"""`zoo`: the families of the atlas scaled in width, depth and resolution to the images; what `fit` chooses among."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from convsmith.search.spaces.choice import Choice, Settings
from convsmith.search.spaces.space import Space
from convsmith.spec.errors import SpaceError
from convsmith.spec.network import Network
from convsmith.spec.node import Node
from convsmith.zoo.efficientnet import efficientnet
from convsmith.zoo.lenet import lenet5
from convsmith.zoo.mobilenet_v2 import mobilenet_v2
from convsmith.zoo.resnet import resnet
from convsmith.zoo.resnet_cifar import resnet_cifar
from convsmith.zoo.vgg import vgg

ABOUT = "the atlas' families, each with the widths, depths and sides that make sense for it and for the images"


@dataclass(frozen=True)
class Family:
    """How a family is scaled: `build(classes, depth, width)`; only sides from `least` to `most` make sense.

    `title` is its networks' name, with places for depth and width: channels of the first stage, or a multiplier.
    """

    title: str
    build: Callable[[int, Any, Any], Node]
    depths: tuple[Any, ...]
    widths: tuple[float, ...]
    least: int
    most: int
    init: str


FAMILIES: dict[str, Family] = {
    "resnet_cifar": Family(
        "resnet{depth} w{width:g}",
        lambda classes, depth, width: resnet_cifar(classes, depth, width=int(width)),
        (8, 14, 20, 32, 44, 56), (2, 4, 6, 8, 12, 16, 24, 32, 48, 64), 8, 96, "he_fan_out",
    ),
    "vgg": Family(
        "vgg_{depth} ×{width:g}",
        lambda classes, depth, width: vgg(classes, depth, norm=True, width=width, hidden=0),
        ("A", "B", "D"), (1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 1), 32, 224, "he_fan_out",
    ),
    "lenet5": Family(
        "lenet{depth} ×{width:g}",
        lambda classes, depth, width: lenet5(classes, width=width),
        (5,), (0.25, 0.5, 1, 2, 4), 28, 64, "xavier",
    ),
    "resnet": Family(
        "resnet_imagenet{depth} w{width:g}",
        lambda classes, depth, width: resnet(classes, depth, width=int(width)),
        (18, 34, 50), (8, 16, 24, 32, 48, 64), 64, 320, "he_fan_out",
    ),
    "mobilenet_v2": Family(
        "mobilenet_v2 ×{width:g}",
        lambda classes, depth, width: mobilenet_v2(classes, width=width),
        (1,), (0.1, 0.25, 0.35, 0.5, 0.75, 1, 1.4), 96, 320, "he_fan_out",
    ),
    "efficientnet": Family(
        "efficientnet ×{width:g} deep ×{depth:g}",
        lambda classes, depth, width: efficientnet(classes, width, depth),
        (0.6, 1.0, 1.2), (0.25, 0.5, 0.75, 1.0, 1.1), 96, 320, "efficientnet",
    ),
}  # fmt: skip


def sides(native: int) -> tuple[int, ...]:
    """Resolutions worth trying for images of this side: their own, less of large ones, more of tiny ones."""
    if native <= 32:
        return tuple(sorted({native, min(2 * native, 32), 32}))
    ladder = (32, 48, 64, 96, 128, 160, 192, 224)
    return tuple(sorted({native, *(side for side in ladder if side < native)}))


def zoo(*, side: int = 224, channels: int = 3, classes: int = 1000) -> Space:
    """Choices: the family, and of the one that is taken side, depth and width. SpaceError: images are too small."""
    found = {
        name: [one for one in sides(side) if family.least <= one <= family.most] for name, family in FAMILIES.items()
    }
    names = tuple(name for name in FAMILIES if found[name])
    if not names:
        raise SpaceError(f"no family of the zoo is for images of {side} pixels; 8 to 320 are")
    choices = [Choice("family", names)]
    for name in names:
        family, when = FAMILIES[name], ("family", (name,))
        choices.append(Choice(f"{name}.side", tuple(found[name]), when))
        choices.append(Choice(f"{name}.depth", family.depths, when))
        choices.append(Choice(f"{name}.width", family.widths, when))
    images = {"side": side, "channels": channels, "classes": classes}
    return Space("zoo", ABOUT, tuple(choices), partial(_network, channels, classes), images)


def described(family: str, side: int, depth: Any, width: float, channels: int, classes: int) -> Network:
    """A family's network of this size."""
    found = FAMILIES[family]
    name = f"{found.title.format(depth=depth, width=width)} @{side}"
    return Network(found.build(classes, depth, width), side, channels, classes, name, "own", found.init)


def _network(channels: int, classes: int, settings: Settings) -> Network:
    family, side, depth, width = settings.values()
    return described(str(family), int(side), depth, float(width), channels, classes)
