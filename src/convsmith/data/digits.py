"""The 1,797 handwritten digits of the UCI repository, 8x8 in 17 grey levels, embedded in the package (45 KB).

Origin:  E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
         https://doi.org/10.24432/C50P49, the test set `optdigits.tes` as scikit-learn ships it (same order).
Licence: Creative Commons Attribution 4.0 International (CC BY 4.0). Changed: stored as one compressed array.
Scale:   each pixel is the count 0..16 of ink dots in a 4x4 block; as uint8 it is (255 * count + 8) // 16, so that 16
         becomes 255 and all 17 levels stay distinct.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from PIL import Image

from convsmith.data.finding import Finding
from convsmith.data.source import Example, Source

Array = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def counts() -> tuple[Array, Array]:
    """Ink counts 0..16 as uint8 (1797, 8, 8), and labels 0..9 as uint8 (1797,)."""
    with files("convsmith.data").joinpath("digits.npz").open("rb") as handle:
        stored = np.load(handle, allow_pickle=False)
        return stored["images"], stored["labels"]


class Digits(Source):
    """The embedded digits, without splits of their own; a mirror image of a digit is another sign."""

    def __init__(self) -> None:
        images, labels = counts()
        self.name = "digits"
        self.splits = {"all": tuple(Example(str(i), str(label)) for i, label in enumerate(labels))}
        self.flip: bool | None = False
        self.findings: tuple[Finding, ...] = ()
        self._images = ((255 * images.astype(np.int64) + 8) // 16).astype(np.uint8)

    def look(self, example: Example) -> tuple[str, tuple[int, int]]:
        """Grey, 8x8."""
        return "L", (8, 8)

    def raw(self, example: Example) -> bytes | None:
        """None: the digits are pixels."""
        return None

    def read(self, example: Example) -> Image.Image:
        """The digit with this number, grey, 8x8."""
        return Image.fromarray(self._images[int(example.name)])
