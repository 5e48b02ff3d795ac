"""The architectures of the field's history: one file a paper, one name a variant."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from convsmith.spec.errors import UnknownName, nearest
from convsmith.spec.network import Network
from convsmith.zoo import alexnet, lenet, resnet, resnet_cifar, vgg
from convsmith.zoo.variant import Variant

VARIANTS: dict[str, Variant] = {
    name: variant for paper in (lenet, alexnet, vgg, resnet, resnet_cifar) for name, variant in paper.VARIANTS.items()
}


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
