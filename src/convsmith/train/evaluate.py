"""What a trained network gets right and wrong on a set of images."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.data import ImageSet, Preprocess
from convsmith.train.execution import Execution
from convsmith.train.runtime import Runtime, Solo
from convsmith.train.sharding import in_step

BATCH = 256
SHOWN = 12
"""How many mistakes are kept as pictures."""


@dataclass(frozen=True)
class Evaluation:
    """Result on `n` images. `confusion[i][j]` counts images of class i taken for class j; rates are 0..1.

    `top5` is None with five classes or fewer. A class without images has precision, recall and F1 of None where 0 / 0.
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

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "confusion": [list(row) for row in self.confusion]}


def evaluate(
    net: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    classes: tuple[str, ...],
    split: str,
    runtime: Runtime | None = None,
) -> Evaluation:
    """Everything that a report says about a split; mistakes come most confident first.

    Processes share the work, and each gets the whole result, the same as one process alone would.
    """
    logits = logits_of(net, images, preprocess, runtime)
    probabilities, labels = logits.softmax(1), images.labels
    predicted = logits.argmax(1)
    confusion = torch.bincount(labels * len(classes) + predicted, minlength=len(classes) ** 2).view(len(classes), -1)
    top5 = None
    if len(classes) > 5:
        top5 = float((logits.topk(5, 1).indices == labels[:, None]).any(1).double().mean())
    return Evaluation(
        split,
        len(images),
        float((predicted == labels).double().mean()),
        top5,
        float(F.cross_entropy(logits.double(), labels)),
        classes,
        tuple(tuple(row) for row in confusion.tolist()),
        per_class(confusion, classes),
        _mistakes(images, probabilities, predicted, classes),
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


def loss_and_top1(
    net: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    runtime: Runtime | None = None,
    execution: Execution | None = None,
) -> tuple[float, float]:
    """Mean cross entropy and top-1 in evaluation mode, the same in every process."""
    logits = logits_of(net, images, preprocess, runtime, execution)
    right = (logits.argmax(1) == images.labels).double().mean()
    return float(F.cross_entropy(logits.double(), images.labels)), float(right)


def logits_of(
    net: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    runtime: Runtime | None = None,
    execution: Execution | None = None,
) -> Tensor:
    """Logits in evaluation mode, float32 (N, classes) on the CPU; the network's mode is restored.

    Processes take whole batches in turn, so each image is computed in the same company, to the same bits, however many
    they are; then every one adds its rows to the others' zeros.
    """
    runtime = runtime or Solo()
    starts = range(0, len(images), BATCH)
    mine = list(starts[runtime.rank :: runtime.size])
    turns = mine + [0] * (math.ceil(len(starts) / runtime.size) - len(mine)) * in_step(net)  # answers nobody wants
    was, logits = net.training, None
    net.eval()
    with torch.inference_mode():
        for number, start in enumerate(turns or [0]):
            part = _answers(net, preprocess, images.images[start : start + BATCH], execution)
            if logits is None:
                logits = part.new_zeros(len(images), part.shape[1])
            if number < len(mine):
                logits[start : start + BATCH] = part
    net.train(was)
    assert logits is not None  # a turn was taken, were it for the number of classes alone
    return runtime.sum(logits).cpu()


def _answers(net: nn.Module, preprocess: Preprocess, images: Tensor, execution: Execution | None) -> Tensor:
    if execution is not None:
        with execution.autocast():
            return net(preprocess.normalise(execution.images(images))).float()  # type: ignore[no-any-return]
    own = next(net.parameters(), images)
    return net(preprocess.normalise(images.to(own.device)))  # type: ignore[no-any-return]


def _mistakes(
    images: ImageSet, probabilities: Tensor, predicted: Tensor, classes: tuple[str, ...]
) -> tuple[dict[str, Any], ...]:
    confidence = probabilities.gather(1, predicted[:, None])[:, 0]
    wrong = (predicted != images.labels).nonzero()[:, 0]
    wrong = wrong[confidence[wrong].argsort(descending=True, stable=True)][:SHOWN]
    return tuple(
        {
            "name": images.names[i],
            "label": classes[int(images.labels[i])],
            "predicted": classes[int(predicted[i])],
            "confidence": round(float(confidence[i]), 4),
            "png": _png(images.images[i]),
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
