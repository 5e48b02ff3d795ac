"""Where the batches of a training come from; the order of an epoch, and what a batch holds, are keyed and repeatable.

A feed knows how many images it has and their labels. A training asks for the order of an epoch, cuts it into batches
(into parts of batches, where several processes share them) and hands these back as lists of indices. So a batch depends
on its indices, the seed and the epoch, and neither on who else reads nor on where an earlier run stopped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convsmith.data.ahead import ahead
from convsmith.data.augment import Augment
from convsmith.data.cut import cut, cuts, left_over, stretches
from convsmith.data.images import ImageSet
from convsmith.data.workers import in_flight, workers


@dataclass(frozen=True, eq=False)
class Batch:
    """images: uint8 or float32 0..255 (N, C, side, side), augmented; labels, index: int64 (N,), on the same device."""

    images: Tensor
    labels: Tensor
    index: Tensor


class Feed(ABC):
    """Training images, augmented, a batch at a time; final subclasses say where from. `labels`: int64 (N,)."""

    labels: Tensor

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def order(self, seed: int, epoch: int) -> Tensor:
        """Every image's index once, int64 (N,); depends on the seed, the epoch and the feed alone."""
        return self.shuffled(torch.arange(len(self)), seed, epoch)

    def shuffled(self, index: Tensor, seed: int, epoch: int) -> Tensor:
        """The indices of an epoch, int64 (M,), in an order by chance that suits the feed."""
        return index[permutation(len(index), seed, epoch)]

    def rows(self, index: Tensor) -> Tensor:
        """Which image each index means: i + k N is image i once more, with draws of its own for its augmentation."""
        return index % len(self)

    @abstractmethod
    def batches(self, index: Sequence[Tensor], *, seed: int, epoch: int) -> Generator[Batch, None, None]:
        """A batch for each of `index`, int64 (n,), in order; images that are in none of them are not touched.

        An index beyond the images means one of them again: see `rows`, which are what the batches give back.

        Closing the iterator stops whatever works ahead.
        """


def permutation(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of 0 .. count - 1 that depends on (seed, epoch) alone, int64."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(count, generator=generator)


class Memory(Feed):
    """Images in memory, or in a file that is mapped into it.

    device  where batches are augmented: the images are copied there, all of them, so that no step waits for a transfer
    threads that crop, on a CPU; None: as many as torch uses
    depth   batches made ahead: pays where the training runs on another device than the augmentation, and costs where
            both want the same cores
    """

    def __init__(
        self, images: ImageSet, augment: Augment, *, device: str = "cpu", threads: int | None = None, depth: int = 0
    ) -> None:
        self.labels = images.labels.to(device)
        self._images = images.images.to(device)
        self._augment, self._threads, self._depth = augment, threads, depth

    def batches(self, index: Sequence[Tensor], *, seed: int, epoch: int) -> Generator[Batch, None, None]:
        """See `Feed`."""
        if self._cuts:
            return self._cut(index, seed, epoch)
        return ahead(self._whole(index, seed, epoch), self._depth)

    @property
    def _cuts(self) -> bool:
        """Whether crops are cheaper one by one: see cut.py."""
        window, images = self._augment.window, self._images
        windowed = window is not None and window < images.shape[-1] and not images.is_contiguous()
        return images.device.type == "cpu" and (stretches(self._augment) or windowed)

    def _whole(self, index: Sequence[Tensor], seed: int, epoch: int) -> Generator[Batch, None, None]:
        for picked in index:
            keys = picked.to(self._images.device)
            rows = self.rows(keys)
            images = self._augment(self._images, keys, seed=seed, epoch=epoch, rows=rows)
            yield Batch(images, self.labels[rows], rows)

    def _cut(self, index: Sequence[Tensor], seed: int, epoch: int) -> Generator[Batch, None, None]:
        rest = left_over(self._augment)
        with workers(self._threads) as pool:
            jobs = (self._begun(keys, pool, seed, epoch) for keys in index)
            for keys, images in in_flight(jobs, self._depth):
                done = images if rest is None else rest(images, keys, seed=seed, epoch=epoch)
                rows = self.rows(keys)
                yield Batch(done, self.labels[rows], rows)

    def _begun(
        self, keys: Tensor, pool: ThreadPoolExecutor, seed: int, epoch: int
    ) -> tuple[tuple[Tensor, Tensor], list[Future[None]]]:
        found = cuts(self._augment, keys, seed=seed, epoch=epoch)
        images, parts = cut(self._images, self.rows(keys), found, pool)
        return (keys, images), parts


def where_to(images: Tensor, device: torch.device) -> dict[str, Any]:
    """Arguments of `Memory`: images live on a GPU if they take a quarter of it at most, else a thread works ahead."""
    if device.type != "cuda":
        return {}
    room = torch.cuda.get_device_properties(device).total_memory
    return {"device": str(device)} if images.nbytes <= room / 4 else {"depth": 2}
