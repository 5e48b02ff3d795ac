"""What a trained network gets right and wrong on a set of images."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.data import ImageSet, Preprocess
from convsmith.nn import Net
from convsmith.nn.modes import evaluating
from convsmith.spec.errors import DataError
from convsmith.train import machine
from convsmith.train.execution import Execution
from convsmith.train.inference import quickest, ready
from convsmith.train.judge import Asked, Evaluation, judge, per_class
from convsmith.train.runtime import Runtime, Solo
from convsmith.train.sharding import in_step
from convsmith.train.statistics import RESAMPLES

__all__ = ["Evaluation", "evaluate", "judge", "logits_of", "loss_and_top1", "per_class", "probabilities_of"]

BATCH = 64


def evaluate(
    net: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    classes: tuple[str, ...],
    split: str,
    runtime: Runtime | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Everything that a report says about a split; mistakes come most confident first.

    Processes share the work, and each gets the whole result, the same as one process alone would. `resamples` and
    `seed` are of the bootstrap. Raises DataError for an empty set and for images of another channel count.
    """
    _readable(images, preprocess, split)
    probabilities = probabilities_of(net, images, preprocess, runtime)
    asked = Asked(split, images.labels, images.names, classes, images.images.__getitem__)
    return judge(probabilities, asked, resamples=resamples, seed=seed)


def probabilities_of(
    net: nn.Module, images: ImageSet, preprocess: Preprocess, runtime: Runtime | None = None
) -> Tensor:
    """Softmax of the logits, float64 (N, classes) on the CPU, as fast as float32 allows (`train.inference`).

    In float64 no two logits that differ get the same probability, and the loss is the logits' own.
    """
    with evaluating(net):
        if in_step(net) or not isinstance(net, Net):
            return logits_of(net, images, preprocess, runtime).double().softmax(1)
        how = quickest(net)
        return logits_of(ready(net, how), images, preprocess, runtime, how).double().softmax(1)


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
    if not next(net.parameters(), images.images).is_cuda:
        machine.keep_memory()
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


def _readable(images: ImageSet, preprocess: Preprocess, split: str) -> None:
    if not len(images):
        raise DataError(f"{split} holds no images, so there is nothing to evaluate; choose another split or set")
    if images.images.shape[1] != preprocess.channels:
        got, wanted = images.images.shape[1], preprocess.channels
        raise DataError(
            f"{split}: the images have {got} channel{'s' * (got != 1)} and the network reads {wanted}; load them again "
            f"with channels={wanted}"
        )
