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

import torch
from torch import Tensor

from convsmith.data.ahead import ahead
from convsmith.data.augment import Augment
from convsmith.data.cut import cut, cuts, left_over, stretches
from convsmith.data.dataset import ImageSet
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
        return permutation(len(self), seed, epoch)

    @abstractmethod
    def batches(self, index: Sequence[Tensor], *, seed: int, epoch: int) -> Generator[Batch, None, None]:
        """A batch for each of `index`, int64 (n,), in order; images that are in none of them are not touched.

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
            rows = picked.to(self._images.device)
            images = self._augment(self._images, rows, seed=seed, epoch=epoch, rows=rows)
            yield Batch(images, self.labels[rows], rows)

    def _cut(self, index: Sequence[Tensor], seed: int, epoch: int) -> Generator[Batch, None, None]:
        rest = left_over(self._augment)
        with workers(self._threads) as pool:
            jobs = (self._begun(rows, pool, seed, epoch) for rows in index)
            for rows, images in in_flight(jobs, self._depth):
                done = images if rest is None else rest(images, rows, seed=seed, epoch=epoch)
                yield Batch(done, self.labels[rows], rows)

    def _begun(
        self, rows: Tensor, pool: ThreadPoolExecutor, seed: int, epoch: int
    ) -> tuple[tuple[Tensor, Tensor], list[Future[None]]]:
        images, parts = cut(self._images, rows, cuts(self._augment, rows, seed=seed, epoch=epoch), pool)
        return (rows, images), parts
