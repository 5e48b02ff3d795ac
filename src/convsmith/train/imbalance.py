"""Classes of unequal size: weights of the classes in the loss, and epochs in which every class has the same share.

Both say that a class counts the same however many images it has. Weights leave the images of an epoch as they are and
make rare ones count for more; balanced epochs show them oftener, each time augmented anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from convsmith.data.feed import Feed
from convsmith.data.finding import named
from convsmith.data.keyed import keyed_uniforms
from convsmith.spec.errors import TrainingError
from convsmith.train.recipe import Recipe

BETA = 0.9999
"""Cui et al.'s beta: below some thousand images in a class it is close to weights of 1 / images, above it flattens."""
STREAM = 0x62616C616E6365  # apart from the draws of augmentation


def class_weights(recipe: Recipe, labels: Tensor, classes: Sequence[str]) -> Tensor | None:
    """The weight of each class in the loss, float32 (classes,) on the CPU; None where all count alike.

    They are for the images that an epoch shows: balanced epochs need none. Their mean over `labels`, the training
    labels int64 (N,), is 1, so that a learning rate keeps its meaning.

    balanced   N / (classes n), with n images in the class, as scikit-learn
    effective  in the ratio of (1 - beta) / (1 - beta^n): Cui et al. 2019, "Class-balanced loss based on effective
               number of samples", equation 2. There their mean over the classes is 1, a common factor: with it the loss
               of the average image, and every step, would shrink as the imbalance grows

    Raises TrainingError for a class without training images, where classes are to be balanced.
    """
    if recipe.class_weights == "none" and recipe.sampling == "natural":
        return None
    counts = torch.bincount(labels, minlength=len(classes)).double()
    if empty := [name for name, count in zip(classes, counts.tolist(), strict=True) if not count]:
        raise TrainingError(
            f"classes without training images cannot be balanced: {named(empty)}; add images, "
            "or say --set class_weights=none --set sampling=natural"
        )
    if recipe.class_weights == "none" or recipe.sampling == "balanced":
        return None
    inverse = 1 / (counts if recipe.class_weights == "balanced" else effective_number(counts))
    return (inverse * counts.sum() / (inverse * counts).sum()).float()


def effective_number(counts: Tensor, beta: float = BETA) -> Tensor:
    """(1 - beta^n) / (1 - beta) of each count n, float64: near n where that is small, and never above 1 / (1 - beta).

    Each further image adds beta times what the one before did, as it resembles those that are there (section 3).
    """
    return -torch.expm1(counts.double() * math.log(beta)) / (1 - beta)


def epoch_order(feed: Feed, sampling: str, classes: int, *, seed: int, epoch: int) -> Tensor:
    """The indices of an epoch by a recipe's `sampling`, int64 (N,), in an order that suits the feed."""
    if sampling == "natural":
        return feed.order(seed, epoch)
    return feed.shuffled(balanced_draw(feed.labels.cpu(), classes, seed=seed, epoch=epoch), seed, epoch)


def balanced_draw(labels: Tensor, classes: int, *, seed: int, epoch: int) -> Tensor:
    """As many images as there are, every class with the same share of them, to one image; int64 (N,), not shuffled.

    It depends on the arguments alone, so that a resumed training, and each of several processes, has the same. Every
    class is gone through in rounds, as all images are in ordinary epochs: over a training its images come equally
    often, to one time. In one epoch a small class has several rounds, a large one a part of one. The odd images of
    N / classes go to the classes in turns.

    Index i + k N is image i in the epoch's k-th further round of its class, k = 0, 1, ...: to a feed it is image i,
    augmented by draws of its own. `labels` are int64 (N,), on the CPU; each of the classes has one image at least.
    """
    count, drawn = len(labels), list[Tensor]()
    members = torch.split(labels.argsort(stable=True), torch.bincount(labels, minlength=classes).tolist())
    for label, own in enumerate(members):
        start, end = ((turn * count + label) // classes for turn in (epoch, epoch + 1))  # of all that the class gives
        first, last = start // len(own), -(-end // len(own))  # rounds
        place = torch.arange(first * len(own), last * len(own))
        rounds = keyed_uniforms(seed ^ STREAM, label, place, 1).view(-1, len(own)).argsort(dim=1, stable=True)
        again = count * torch.arange(last - first)[:, None]
        drawn.append((own[rounds] + again).flatten()[start - first * len(own) : end - first * len(own)])
    return torch.cat(drawn)
