"""Training images out of tar shards in WebDataset's layout, for data that outgrow a disk: local, or by URL.

Shards by URL (s3://, gs://, https://, memory://, ...) come through fsspec, the extra `shards`: each is fetched whole,
a window before its images are wanted, and kept for as long as the window needs it, or in a cache folder for good. With
several processes, each fetches for its own part of every batch.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor

from convsmith.data.augment import Augment
from convsmith.data.early import fetched_early
from convsmith.data.feed import Batch, Feed, permutation
from convsmith.data.fetched import Fetched
from convsmith.data.keyed import keyed_uniforms
from convsmith.data.preprocess import Preprocess
from convsmith.data.streaming import decoded
from convsmith.data.tars import Tars, look
from convsmith.spec.errors import DataError

WINDOW = 4096
"""Images that are shuffled among each other."""


class Shards(Feed):
    """Images of tar shards, in an order that reads each shard once an epoch and holds few of them at a time.

    pattern     of the shards (see `expand`), or the shards as `look` found them
    classes     the class map; None: that of index.json, else what the .cls files say, in natural order
    window      images that are shuffled among each other, after the shards have been; more of it is more random, and
                holds more shards
    cache       a folder where fetched shards stay
    preprocess, augment, threads, depth  as of `Streamed`

    Raises as `look`.
    """

    def __init__(
        self, pattern: str | Tars, *, preprocess: Preprocess, augment: Augment, classes: Sequence[str] | None = None,
        window: int = WINDOW, cache: str | Path | None = None, threads: int | None = None, depth: int = 2,
    ) -> None:  # fmt: skip
        if window < 1:
            raise DataError(f"the window must hold at least 1 image, got {window}")
        if isinstance(pattern, str):
            pattern = look(pattern, classes=classes, files=Fetched(None if cache is None else Path(cache)))
        self.tars, self.classes, self.labels = pattern, pattern.classes, pattern.labels
        self._window, self._augment, self._preprocess = window, augment, preprocess
        self._threads, self._depth = threads, depth
        fewest = max(1, min(len(shard.names) for shard in self.tars.shards))
        self.tars.files.most = max(self.tars.files.most, 4 + -(-2 * window // fewest))  # this window's, the next one's

    def shuffled(self, index: Tensor, seed: int, epoch: int) -> Tensor:
        """Shards permuted, then images within each window."""
        turn = permutation(len(self.tars.shards), seed, epoch).argsort()
        shard = torch.bucketize(self.rows(index), torch.tensor(self.tars.first[1:]), right=True)
        every = index[turn[shard].argsort(stable=True)]
        rank = keyed_uniforms(seed, epoch, every, 1)[:, 0]
        parts = zip(torch.split(every, self._window), torch.split(rank, self._window), strict=True)
        return torch.cat([part[key.argsort(stable=True)] for part, key in parts])

    def batches(self, index: Sequence[Tensor], *, seed: int, epoch: int) -> Generator[Batch, None, None]:
        """See `Feed`. Raises DataError naming a shard that cannot be fetched or an image that cannot be decoded."""
        found = decoded(
            index, self.tars.read, self.labels, self._augment, self._preprocess,
            seed=seed, epoch=epoch, threads=self._threads, depth=self._depth,
        )  # fmt: skip
        done = 0
        with fetched_early(self.tars, index, self._window) as used, closing(found):
            for batch in found:
                used(done)
                done += len(batch.index)
                yield batch
