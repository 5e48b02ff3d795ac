"""The architectures of the field's history: one file a paper, one name a variant."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from convsmith.spec.errors import UnknownName, nearest
from convsmith.spec.network import Network
from convsmith.zoo import (
    alexnet,
    densenet,
    efficientnet,
    googlenet,
    inception_v3,
    lenet,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    nin,
    resnet,
    resnet_cifar,
    resnet_v2,
    resnext,
    senet,
    shufflenet,
    shufflenet_v2,
    squeezenet,
    vgg,
    wide_resnet,
    zfnet,
)
from convsmith.zoo.variant import Variant

# in the order of history
PAPERS = (
    lenet, alexnet, zfnet, nin, vgg, googlenet, resnet, resnet_cifar, inception_v3, squeezenet, resnet_v2, wide_resnet,
    resnext, densenet, mobilenet_v1, senet, shufflenet, mobilenet_v2, shufflenet_v2, mnasnet, efficientnet,
    mobilenet_v3,
)  # fmt: skip

VARIANTS: dict[str, Variant] = {name: variant for paper in PAPERS for name, variant in paper.VARIANTS.items()}


def names(pattern: str = "*") -> tuple[str, ...]:
    """Names of the variants that match a glob pattern, in the order of history."""
    return tuple(name for name in VARIANTS if fnmatchcase(name, pattern))


def variant(name: str) -> Variant:
    """The variant of this name. Raises UnknownName, offering the nearest."""
    if name not in VARIANTS:
        raise UnknownName(f"no network is called {name!r}{nearest(name, VARIANTS)} (`convsmith list` shows all)")
    return VARIANTS[name]


def spec(name: str, classes: int | None = None, **options: Any) -> Network:
    """The network of this name, with other classes or options if given: `spec("resnet34", classes=10, shortcut="C")`.

    Raises UnknownName for an unknown name or option (the nearest is offered), SpecError for a value that cannot be.
    """
    return variant(name).network(name, classes, **options)
