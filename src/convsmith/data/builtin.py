"""Public data sets by name, through torchvision, downloaded once into a cache folder.

The cache is `$CONVSMITH_DATA`, or `~/.cache/convsmith/data`. torchvision checks the published checksums of the archives
that it downloads. A set whose publisher gives no split of some kind has none here either: see `splits.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from convsmith.data.digits import Digits
from convsmith.data.finding import Finding
from convsmith.data.pixels import DAMAGE
from convsmith.data.source import Example, Source
from convsmith.spec.errors import DataError, MissingExtra

Ask = Mapping[str, Mapping[str, Any]]
BY_FLAG: Ask = {"train": {"train": True}, "test": {"train": False}}
TRAIN_TEST: Ask = {"train": {"split": "train"}, "test": {"split": "test"}}
THREE: Ask = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}
UNSPLIT: Ask = {"all": {}}


@dataclass(frozen=True)
class Builtin:
    """How to ask torchvision: its class, the arguments per split, and the attributes that hold labels and class names.

    `names` None: the classes are digits and the label is its own name. `flip`: a mirror image keeps its class.
    """

    kind: str
    flip: bool
    splits: Ask = field(default_factory=lambda: BY_FLAG)
    labels: str = "targets"
    names: str | None = "classes"


SOURCES: Mapping[str, Builtin | None] = {
    "digits": None,  # embedded: see digits.py
    "mnist": Builtin("MNIST", flip=False, names=None),
    "kmnist": Builtin("KMNIST", flip=False),
    "fashion_mnist": Builtin("FashionMNIST", flip=True),
    "usps": Builtin("USPS", flip=False, names=None),
    "semeion": Builtin("SEMEION", flip=False, splits=UNSPLIT, labels="labels", names=None),
    "svhn": Builtin("SVHN", flip=False, splits=TRAIN_TEST, labels="labels", names=None),
    "cifar10": Builtin("CIFAR10", flip=True),
    "cifar100": Builtin("CIFAR100", flip=True),
    "stl10": Builtin("STL10", flip=True, splits=TRAIN_TEST, labels="labels"),
    "eurosat": Builtin("EuroSAT", flip=True, splits=UNSPLIT),
    "dtd": Builtin("DTD", flip=True, splits=THREE, labels="_labels"),
    "flowers102": Builtin("Flowers102", flip=True, splits=THREE, labels="_labels"),
    "food101": Builtin("Food101", flip=True, splits=TRAIN_TEST, labels="_labels"),
}


def cache_folder() -> Path:
    """`$CONVSMITH_DATA`, or `~/.cache/convsmith/data`."""
    given = os.environ.get("CONVSMITH_DATA")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "convsmith" / "data"


def builtin(name: str) -> Source:
    """The built-in source of this name, downloaded if need be; `name` must be a key of SOURCES."""
    entry = SOURCES[name]
    return Digits() if entry is None else Published(name, entry, cache_folder())


class Published(Source):
    """One of torchvision's data sets; an example's name is its split and number, as in `train/17`."""

    def __init__(self, name: str, entry: Builtin, root: Path) -> None:
        self.name = name
        self.flip: bool | None = entry.flip
        self.findings: tuple[Finding, ...] = ()
        self._parts = {split: _ask(name, entry, ask, root) for split, ask in entry.splits.items()}
        self.splits = {split: _examples(split, part, entry) for split, part in self._parts.items()}

    def look(self, example: Example) -> tuple[str, tuple[int, int]]:
        """As decoded: torchvision keeps small sets as arrays, and gives no header of the others."""
        image = self.read(example)
        return image.mode, image.size

    def raw(self, example: Example) -> bytes | None:
        """None: torchvision decodes."""
        return None

    def read(self, example: Example) -> Image.Image:
        """The image as torchvision decodes it."""
        split, number = example.name.split("/")
        try:
            image: Image.Image = self._parts[split][int(number)][0]
        except DAMAGE as error:
            remedy = f"delete it from {cache_folder()} to fetch it again"
            raise DataError(f"cannot read {example.name!r} of {self.name!r}: {error}; {remedy}") from error
        return image


def _ask(name: str, entry: Builtin, ask: Mapping[str, Any], root: Path) -> Any:
    try:
        from torchvision import datasets  # slow to import, and most sources do without

        root.mkdir(parents=True, exist_ok=True)
        return getattr(datasets, entry.kind)(str(root), download=True, **ask)
    except ImportError as error:
        missing = error.name or "scipy"
        raise MissingExtra(
            f"{name!r} needs the package {missing!r}, which is not there; run: pip install {missing}"
        ) from error
    except DAMAGE as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"cannot get {name!r} into {root}: {reason.rstrip('.')}; check the connection and try again, or set "
            "CONVSMITH_DATA to a folder that already holds it"
        ) from error


def _examples(split: str, part: Any, entry: Builtin) -> Sequence[Example]:
    labels = [int(label) for label in getattr(part, entry.labels)]
    names = None if entry.names is None else list(getattr(part, entry.names))
    return tuple(Example(f"{split}/{i}", str(n) if names is None else names[n]) for i, n in enumerate(labels))
