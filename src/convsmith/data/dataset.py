"""Images ready for training: three sets, their class map, and the preprocessing that goes with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from convsmith.data.augment import Augment
from convsmith.data.feed import Feed, Memory, where_to
from convsmith.data.finding import Finding
from convsmith.data.images import ImageSet, Kept, Originals
from convsmith.data.memory import too_large
from convsmith.data.outside import Parts, read
from convsmith.data.preprocess import Preprocess, statistics
from convsmith.spec.errors import DataError


@dataclass(frozen=True, eq=False)
class Data:
    """A data set at one side; `resized` can make the training images larger.

    classes      the class map: label i is classes[i]; made once, from training, in natural order
    preprocess   side, and mean and deviation of train.images
    flip         whether left-right mirror images keep their class
    findings     the doctor's warnings and notes
    fingerprint  sha256 over names, labels, splits and pixels; the same at every side
    outside      where all images are read from, if those of train stay outside the memory: train then has the names
                 and labels of all of them, and only a sample's `images` (see outside.py)
    """

    name: str
    train: ImageSet
    val: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    preprocess: Preprocess
    flip: bool
    findings: tuple[Finding, ...]
    fingerprint: str
    originals: Originals | None = field(default=None, repr=False)
    outside: Parts | None = field(default=None, repr=False)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return self.preprocess.channels

    @property
    def side(self) -> int:
        """Height = width of the images in pixels."""
        return self.preprocess.side

    def resized(self, side: int, canvas: float = 1.0) -> Data:
        """The same images at another side, from the originals (without any, from the present images).

        `canvas` makes the training images larger than that, round(side * canvas), for crops at random places.
        Mean and deviation are recomputed. Small images of one size are resized in memory, others decoded anew. Training
        images outside the memory have no canvas here: `feed` brings them to it.

        Raises DataError if that takes more memory than there is.
        """
        if side < 1:
            raise DataError(f"side must be at least 1 pixel, got {side}")
        if canvas < 1:
            raise DataError(f"canvas must be at least 1, the training image's side over the network's, got {canvas}")
        if self.outside is not None:
            return self._read(side)
        stored = round(side * canvas)
        if side == self.side and self.train.images.shape[-1] == stored:
            return self
        originals = self.originals or Kept(torch.cat([self.train.images, self.val.images, self.test.images]))
        first, second = len(self.train), len(self.train) + len(self.val)
        total = second + len(self.test)
        for count, length in ((first, stored), (total - first, side)) if stored != side else ((total, side),):
            large = None if originals.ready(length) else too_large(count, self.channels, length)
            if large:
                raise DataError(large)
        parts = (slice(0, first), slice(first, second), slice(second, total))
        usual, larger = replace(self.preprocess, side=side), replace(self.preprocess, side=stored)
        if stored == side:
            images = originals.at(usual)
            trained, validated, tested = (images[part] for part in parts)
        else:
            trained, validated, tested = (
                originals.at(how, part) for how, part in zip((larger, usual, usual), parts, strict=True)
            )
        train = replace(self.train, images=trained)
        val = replace(self.val, images=validated)
        test = replace(self.test, images=tested)
        return replace(self, train=train, val=val, test=test, preprocess=Preprocess(side, *statistics(train.images)))

    def feed(self, augment: Augment, canvas: float = 1.0, device: torch.device | None = None) -> Feed:
        """The training images for a training on `device` (None: a CPU), `canvas` times as large before `augment`.

        Raises as `resized`.
        """
        device = torch.device("cpu") if device is None else device
        if self.outside is None:
            stored = self.resized(self.side, canvas).train
            return Memory(stored, augment, **where_to(stored.images, device))
        larger = replace(self.preprocess, side=round(self.side * canvas))
        return self.outside[0].feed(augment, larger, depth=0 if device.type == "cpu" else 2)

    def _read(self, side: int) -> Data:
        assert self.outside is not None
        if side == self.side:
            return self
        train, val, test, preprocess = read(self.outside, side, self.channels)
        return replace(self, train=train, val=val, test=test, preprocess=preprocess)
