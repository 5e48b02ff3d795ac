"""Training images decoded as they are needed, for data that do not fit in memory.

Images without random areas are resized as `load` resizes them, and batches are then equal, bit for bit, to those of
`Memory`. Random areas are cut out of the original and not out of its central square, as the papers do.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from convsmith.data.augment import Augment
from convsmith.data.cut import Cuts, batch_of, batched, cuts, left_over, paste, stretches
from convsmith.data.decode import jpeg, reduced, reduction, whole
from convsmith.data.feed import Batch, Feed
from convsmith.data.pixels import to_tensor
from convsmith.data.preprocess import Preprocess
from convsmith.data.source import Example, Source
from convsmith.data.workers import BLOCK, in_flight, workers
from convsmith.spec.errors import DataError

Read = Callable[[int], tuple[str, bytes | Tensor]]
"""Name, and file or pixels uint8 (C, H, W), of the image with this index."""


class Streamed(Feed):
    """Images of a source, decoded by threads; how many there are cannot be seen in the batches.

    preprocess  its side and channels: images are brought to this side before `augment` (its window, if any, fits in)
    classes     the class map: label i is classes[i]
    threads     that decode; None: as many as torch uses
    depth       batches that are decoded ahead of the one that is used: pays where the training runs on another device,
                and costs where both want the same cores
    """

    def __init__(
        self, source: Source, examples: Sequence[Example], classes: Sequence[str], *,
        preprocess: Preprocess, augment: Augment, threads: int | None = None, depth: int = 0,
    ) -> None:  # fmt: skip
        self.labels = numbered(examples, classes)
        self._source, self._examples = source, examples
        self._preprocess, self._augment = preprocess, augment
        self._threads, self._depth = threads, depth

    def batches(self, index: Sequence[Tensor], *, seed: int, epoch: int) -> Generator[Batch, None, None]:
        """See `Feed`. Raises DataError naming a file that has gone or changed beyond reading."""
        return decoded(
            index, self._one, self.labels, self._augment, self._preprocess,
            seed=seed, epoch=epoch, threads=self._threads, depth=self._depth,
        )  # fmt: skip

    def _one(self, number: int) -> tuple[str, bytes | Tensor]:
        example = self._examples[number]
        data = self._source.raw(example)
        if data is None:
            return example.name, to_tensor(example.name, self._source.read(example), self._preprocess.channels)
        return example.name, data


def numbered(examples: Sequence[Example], classes: Sequence[str]) -> Tensor:
    """Labels as indices into the class map, int64 (N,). Raises DataError for one that is not in it."""
    number = {name: i for i, name in enumerate(classes)}
    strange = next((example for example in examples if example.label not in number), None)
    if strange is not None:
        raise DataError(f"label {strange.label!r} of {strange.name!r} is not in the class map; remove that image")
    return torch.tensor([number[example.label] for example in examples], dtype=torch.int64)


def decoded(
    index: Sequence[Tensor], read: Read, labels: Tensor,
    augment: Augment, preprocess: Preprocess, *, seed: int, epoch: int, threads: int | None, depth: int,
) -> Generator[Batch, None, None]:  # fmt: skip
    """Batches of the images that `read` gives, file or pixels, with up to `depth` of them under way ahead of use.

    An error arises at the batch of its image. Closing waits for the images in hand and cancels the others.
    """
    maker = Maker(read, augment, preprocess)

    def begun(keys: Tensor, pool: ThreadPoolExecutor) -> tuple[tuple[Tensor, Tensor], list[Future[None]]]:
        room, rows = batch_of(len(keys), preprocess.channels, maker.side), keys % len(labels)
        return (keys, room), maker.begin(pool, rows.tolist(), cuts(augment, keys, seed=seed, epoch=epoch), room)

    with workers(threads) as pool:
        for keys, room in in_flight((begun(keys, pool) for keys in index), depth):
            images = room if maker.rest is None else maker.rest(room, keys, seed=seed, epoch=epoch)
            rows = keys % len(labels)
            yield Batch(images, labels[rows], rows)


class Maker:
    """From a file to its place in a batch."""

    def __init__(self, read: Read, augment: Augment, preprocess: Preprocess) -> None:
        self.read, self.preprocess = read, preprocess
        self.stretched = stretches(augment)
        self.side = (augment.side or preprocess.side) if self.stretched else preprocess.side
        self.rest = left_over(augment) if self.stretched else augment

    def begin(self, pool: ThreadPoolExecutor, numbers: Sequence[int], found: Cuts, room: Tensor) -> list[Future[None]]:
        """Fill `room`, block by block."""

        def block(start: int) -> None:
            for k in range(start, min(start + BLOCK, len(numbers))):
                self._fill(numbers[k], k, found, room[k : k + 1])

        return [pool.submit(block, start) for start in range(0, len(numbers), BLOCK)]

    def _fill(self, number: int, k: int, found: Cuts, room: Tensor) -> None:
        name, data = self.read(number)
        if self.stretched and isinstance(data, bytes) and self._small(data, k, found, room):
            return
        image = whole(name, data, self.preprocess.channels) if isinstance(data, bytes) else data
        if not self.stretched:
            room.copy_(self.preprocess.resize(batched(image)))
            return
        left, top, width, height = found.within(k, image.shape[2], image.shape[1])
        paste(batched(image)[..., top : top + height, left : left + width], found.mirror[k], room)

    def _small(self, data: bytes, k: int, found: Cuts, room: Tensor) -> bool:
        """By a reduced decode, where that has all the pixels that are needed."""
        head = jpeg(data)
        if head is None or head.components != self.preprocess.channels or head.components != 3:
            return False
        box = found.within(k, head.width, head.height)
        by = reduction(box[2], box[3], self.side)
        image = reduced(data, box, self.side, by) if by > 1 else None
        if image is None:
            return False
        paste(batched(image), found.mirror[k], room)
        return True
