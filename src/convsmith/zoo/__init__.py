"""The architectures of the field's history: one file a paper, one name a variant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from importlib import import_module
from os.path import commonprefix
from typing import Any

from convsmith.spec.errors import UnknownName, nearest
from convsmith.spec.network import Network
from convsmith.zoo.variant import Variant

# the files, in the order of history; single layers come last
PAPERS = (
    "lenet", "alexnet", "zfnet", "nin", "vgg", "googlenet", "dcgan", "resnet", "resnet_cifar", "inception_v3",
    "inception_v4", "inception_resnet_v2", "squeezenet", "resnet_v2", "wide_resnet", "resnext", "densenet",
    "mobilenet_v1", "nasnet", "senet", "shufflenet", "mobilenet_v2", "shufflenet_v2", "mnasnet", "efficientnet",
    "mobilenet_v3", "efficientnet_lite", "regnet", "efficientnet_v2", "convnext", "airbench", "layers",
)  # fmt: skip


class Atlas(Mapping[str, Variant]):
    """Every variant by its name, in the order of history.

    A paper's file is imported when it is asked for: `show resnet50` reads one of them, the nearest by name first.
    """

    def of(self, paper: str) -> Mapping[str, Variant]:
        """The variants of one paper, by its file's name."""
        found: Mapping[str, Variant] = import_module(f"{__name__}.{paper}").VARIANTS
        return found

    def paper_of(self, name: str) -> str:
        """The file that a variant stands in. Raises KeyError."""
        for paper in sorted(PAPERS, key=lambda paper: -len(commonprefix((paper, name)))):  # noqa: RUF071 - no paths
            if name in self.of(paper):
                return paper
        raise KeyError(name)

    def __getitem__(self, name: str) -> Variant:
        return self.of(self.paper_of(name))[name]

    def __iter__(self) -> Iterator[str]:
        return (name for paper in PAPERS for name in self.of(paper))

    def __len__(self) -> int:
        return sum(len(self.of(paper)) for paper in PAPERS)


VARIANTS = Atlas()


def names(pattern: str = "*") -> tuple[str, ...]:
    """Names of the variants that match a glob pattern, in the order of history."""
    return tuple(name for name in VARIANTS if fnmatchcase(name, pattern))


def variant(name: str) -> Variant:
    """The variant of this name. Raises UnknownName, offering the nearest."""
    if name not in VARIANTS:
        raise UnknownName(f"no network is called {name!r}{nearest(name, VARIANTS)} (`convsmith list` shows all)")
    return VARIANTS[name]


def family(name: str) -> str:
    """The family of a variant, which is its paper's file: `family("plain20") == "resnet_cifar"`. Raises UnknownName."""
    variant(name)
    return VARIANTS.paper_of(name)


def spec(name: str, classes: int | None = None, **options: Any) -> Network:
    """The network of this name, with other classes or options if given: `spec("resnet34", classes=10, shortcut="C")`.

    Raises UnknownName for an unknown name or option (the nearest is offered), SpecError for a value that cannot be.
    """
    return variant(name).network(name, classes, **options)
