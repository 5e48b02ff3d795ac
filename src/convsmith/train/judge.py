"""What probabilities say of a set of images once their true classes are known."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convsmith.spec.errors import DataError
from convsmith.train.calibration import Calibration, calibration
from convsmith.train.statistics import RESAMPLES, Interval, of_rate

SHOWN = 12
"""How many mistakes are kept as pictures."""
CENTRE = "centre"
"""The protocol by which networks are trained and tested: the whole short side, the central square."""


@dataclass(frozen=True)
class Evaluation:
    """Result on `n` images. `confusion[i][j]` counts images of class i taken for class j; rates are 0..1.

    `top5` is None with five classes or fewer. A class without images has precision, recall and F1 of None where 0 / 0.
    `interval` is of top-1; `loss` is the mean negative log likelihood, in nats.
    """

    split: str
    n: int
    top1: float
    top5: float | None
    loss: float
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[dict[str, Any], ...]
    mistakes: tuple[dict[str, Any], ...]
    interval: Interval
    calibration: Calibration
    protocol: str = CENTRE

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **vars(self),
            "confusion": [list(row) for row in self.confusion],
            "interval": self.interval.to_json(),
            "calibration": self.calibration.to_json(),
        }


@dataclass(frozen=True, eq=False)
class Asked:
    """The images that were asked about: labels int64 (N,) into `classes`, names (N,), and what to show of the i-th."""

    split: str
    labels: Tensor
    names: Sequence[str]
    classes: tuple[str, ...]
    picture: Callable[[int], Tensor]


def judge(
    probabilities: Tensor, asked: Asked, *, protocol: str = CENTRE, resamples: int = RESAMPLES, seed: int = 0
) -> Evaluation:
    """Everything that a report says, of probabilities (N, classes) by row; mistakes come most confident first.

    `resamples` and `seed` are those of the interval. Raises DataError without images, and where there is not a row an
    image and a column a class.
    """
    labels, classes = asked.labels, asked.classes
    if not len(labels):
        raise DataError(f"{asked.split} holds no images, so there is nothing to evaluate; choose another split or set")
    if probabilities.shape != (len(labels), len(classes)):
        got, wanted = " × ".join(map(str, probabilities.shape)), f"{len(labels)} × {len(classes)}"
        raise DataError(f"{asked.split}: there are {got} probabilities for {wanted}, images by classes")
    predicted = probabilities.argmax(1)
    confusion = torch.bincount(labels * len(classes) + predicted, minlength=len(classes) ** 2).view(len(classes), -1)
    top5 = None
    if len(classes) > 5:
        top5 = float((probabilities.topk(5, 1).indices == labels[:, None]).any(1).double().mean())
    found = calibration(probabilities, labels)
    return Evaluation(
        split=asked.split,
        n=len(labels),
        top1=float((predicted == labels).double().mean()),
        top5=top5,
        loss=found.nll,
        classes=classes,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        per_class=per_class(confusion, classes),
        mistakes=_mistakes(probabilities, predicted, asked),
        interval=of_rate(predicted == labels, resamples=resamples, seed=seed),
        calibration=found,
        protocol=protocol,
    )


def per_class(confusion: Tensor, classes: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """Precision, recall, F1 and n of each class from a confusion matrix (true, predicted)."""
    right, true, taken = confusion.diag().tolist(), confusion.sum(1).tolist(), confusion.sum(0).tolist()
    return tuple(
        {
            "class": name,
            "precision": _rate(right[i], taken[i]),
            "recall": _rate(right[i], true[i]),
            "f1": _rate(2 * right[i], true[i] + taken[i]),
            "n": true[i],
        }
        for i, name in enumerate(classes)
    )


def _mistakes(probabilities: Tensor, predicted: Tensor, asked: Asked) -> tuple[dict[str, Any], ...]:
    confidence = probabilities.gather(1, predicted[:, None])[:, 0]
    wrong = (predicted != asked.labels).nonzero()[:, 0]
    wrong = wrong[confidence[wrong].argsort(descending=True, stable=True)][:SHOWN]
    return tuple(
        {
            "name": asked.names[i],
            "label": asked.classes[int(asked.labels[i])],
            "predicted": asked.classes[int(predicted[i])],
            "confidence": round(float(confidence[i]), 4),
            "png": _png(asked.picture(i)),
        }
        for i in wrong.tolist()
    )


def _png(image: Tensor) -> str:
    from torchvision.transforms.v2.functional import to_pil_image

    buffer = io.BytesIO()
    to_pil_image(image).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
