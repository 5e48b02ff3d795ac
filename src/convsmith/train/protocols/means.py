"""The mean over the views of each picture, finished as soon as the last of them is in."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from convsmith.data.pictures import Pictures
from convsmith.train.protocols.batches import View
from convsmith.train.watch import Watch

LEAST = 1e-30
"""Probability below which the loss that a watch is told does not follow."""


class Means:
    """`answer`: float32 (N, classes), zero where views are missing. Sums are float64, of unfinished pictures alone.

    `watch` hears of a step for each finished picture, with loss and top-1 of those so far.
    """

    def __init__(self, pictures: Pictures, classes: int, watch: Watch) -> None:
        self.answer = torch.zeros(len(pictures), classes)
        self._labels, self._watch = pictures.labels.tolist(), watch
        self._sums: dict[int, Tensor] = {}
        self._missing: dict[int, int] = {}
        self._done, self._loss, self._right = 0, 0.0, 0
        self._began = time.perf_counter()

    def add(self, views: Sequence[View], found: Tensor) -> None:
        """Probabilities of these views, float64 (n, classes) on the CPU."""
        for view, row in zip(views, found, strict=True):
            before = self._sums.get(view.owner)
            self._sums[view.owner] = row if before is None else before + row
            self._missing[view.owner] = self._missing.get(view.owner, view.of) - 1
            if not self._missing[view.owner]:
                del self._missing[view.owner]
                self._finish(view.owner, self._sums.pop(view.owner) / view.of)

    def _finish(self, picture: int, mean: Tensor) -> None:
        self.answer[picture] = mean
        label = self._labels[picture]
        self._done += 1
        self._loss -= float(mean[label].clamp(min=LEAST).log())
        self._right += int(mean.argmax()) == label
        rate = self._done / max(time.perf_counter() - self._began, 1e-9)
        self._watch.step(1, self._loss / self._done, self._right / self._done, rate)
