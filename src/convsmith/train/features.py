"""What the frozen body of a network puts out, computed once, so that an epoch of a head alone takes seconds.

Images are taken as they are, without augmentation: features of a random crop would be those of one crop for good.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from convsmith.data import Data, ImageSet, Preprocess
from convsmith.data.augment import Augment
from convsmith.data.feed import Batch, Feed
from convsmith.nn import Net
from convsmith.spec.signature import Sig
from convsmith.spec.trace import INPUT, Graph
from convsmith.train.evaluate import logits_of
from convsmith.train.execution import Execution
from convsmith.train.recipe import Recipe
from convsmith.train.runtime import Runtime
from convsmith.train.watch import Watch
from convsmith.views.stages import head_row

FEATURES = "features_seconds"
"""What run.json calls the seconds that features took, whenever they were computed."""
BLOCK = 1024
"""Images from one word of progress to the next: a multiple of what is computed at a time."""
MOST = 2**31
"""Bytes of features that are held; more than that are computed anew, image by image."""


def cacheable(net: Net, data: Data, recipe: Recipe, runtime: Runtime) -> bool:
    """Whether a recipe that trains the head alone may do it on stored features.

    Not where it is told not to, where it mixes images, where the head is no chain or there are auxiliary ones, on
    several processes, for images outside the memory, nor where features would take more than `MOST` bytes.
    """
    if recipe.trains != "head" or recipe.features != "cached" or recipe.mixup or recipe.cutmix:
        return False
    if runtime.size > 1 or data.outside is not None:
        return False
    rows = head_rows(net.graph)
    size = 4 * prod(entering(net.graph).shape) * (len(data.train) + len(data.val))
    chain = all(net.graph.rows[b].inputs == (a,) for a, b in pairwise(rows))
    return chain and len(net.graph.rows[rows[0]].inputs) == 1 and not net.graph.taps and size <= MOST


def head_rows(graph: Graph) -> list[int]:
    """The rows of the head, in order."""
    return list(range(head_row(graph), graph.output + 1))


def entering(graph: Graph) -> Sig:
    """What the head reads."""
    source = graph.rows[head_row(graph)].inputs[0]
    return graph.input if source == INPUT else graph.rows[source].out


def head_of(net: Net) -> nn.Sequential:
    """The head's layers, the very modules of the network: features (N, ...) -> logits (N, classes)."""
    return nn.Sequential(*(net.get_submodule(net.graph.rows[row].path) for row in head_rows(net.graph)))


class Body(nn.Module):
    """A network up to its head: images (N, C, S, S) -> features (N, F), flattened, float32."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net, self.path = net, net.graph.rows[head_row(net.graph)].path
        self.train(net.training)

    def forward(self, x: Tensor) -> Tensor:
        """What its head reads."""
        seen: list[Tensor] = []
        hook = self.net.get_submodule(self.path).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            self.net(x)
        finally:
            hook.remove()
        return seen[0].flatten(1).float()


class Ready(Preprocess):
    """Of features, which are what the head reads already."""

    def normalise(self, image: Tensor) -> Tensor:
        """As they are."""
        return image


class Stored(Feed):
    """Features in memory."""

    def __init__(self, features: ImageSet) -> None:
        self._features, self.labels = features.images, features.labels

    def batches(self, index: Sequence[Tensor], *, seed: int, epoch: int) -> Generator[Batch, None, None]:
        """See `Feed`; the same in each epoch."""
        for rows in map(self.rows, index):
            yield Batch(self._features[rows], self.labels[rows], rows)


@dataclass(frozen=True, eq=False)
class FeatureData(Data):
    """A data set whose images are features, float32 (N, ...) as the head reads them, for training and validation."""

    def feed(self, augment: Augment, canvas: float = 1.0, device: torch.device | None = None) -> Feed:
        """Without augmentation."""
        return Stored(self.train)


def cached(net: Net, data: Data, execution: Execution, watch: Watch) -> FeatureData:
    """The data as the head of the network sees them; the body runs in evaluation mode."""
    body, shape, title = Body(net), entering(net.graph).shape, f"features · {net.network.name}"
    total, done = len(data.train) + len(data.val), 0

    def of(images: ImageSet) -> ImageSet:
        nonlocal done
        found = []
        for start in range(0, len(images), BLOCK):
            some = slice(start, start + BLOCK)
            part = ImageSet(images.images[some], images.labels[some], images.names[some])
            found.append(logits_of(body, part, data.preprocess, execution=execution))
            done += len(part)
            watch.work(title, done, total)
        return replace(images, images=torch.cat(found).view(len(images), *shape))

    ready = Ready(data.side, data.preprocess.mean, data.preprocess.std)
    fields = {name: value for name, value in vars(data).items() if name not in ("train", "val", "preprocess")}
    return FeatureData(**fields, train=of(data.train), val=of(data.val), preprocess=ready)
