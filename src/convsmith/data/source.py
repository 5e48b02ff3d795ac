"""Where images come from: a named list of examples per split, and a way to read one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from convsmith.data.finding import Finding

SPLITS = ("train", "val", "test")
SYNONYMS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Names of splits that people use, and ours."""


@dataclass(frozen=True)
class Example:
    """One image by its name within the source (a path or a number) and the name of its class."""

    name: str
    label: str


def in_order(splits: Mapping[str, Sequence[Example]]) -> dict[str, Sequence[Example]]:
    """The same, as `all` or train, val, test."""
    return {split: splits[split] for split in ("all", *SPLITS) if split in splits}


class Source(ABC):
    """Images with their labels; final subclasses hold the fields, this class only says which they are.

    `splits` has keys among `train`, `val` and `test`, or the single key `all`. `flip` says whether a left-right mirror
    image keeps its class (None: unknown). `findings` are about the structure only, no image has been opened for them.
    """

    name: str
    splits: Mapping[str, Sequence[Example]]
    flip: bool | None
    findings: tuple[Finding, ...]

    @abstractmethod
    def look(self, example: Example) -> tuple[str, tuple[int, int]]:
        """Mode and stored (width, height), from the header where the source has one. Raises DataError as `read`."""

    @abstractmethod
    def raw(self, example: Example) -> bytes | None:
        """The file as it is, None where the source holds pixels. Raises DataError naming the file."""

    @abstractmethod
    def read(self, example: Example) -> Image.Image:
        """The decoded image, upright. Raises DataError naming the file if it is unreadable or truncated."""

    def labels(self) -> set[str]:
        """Every class that occurs in any split."""
        return {example.label for examples in self.splits.values() for example in examples}
