"""A trained network's probabilities by a protocol."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from convsmith.data.ahead import ahead
from convsmith.data.finding import named
from convsmith.data.pictures import Pictures
from convsmith.data.preprocess import Preprocess
from convsmith.nn import Net
from convsmith.nn.modes import evaluating
from convsmith.spec.errors import DataError
from convsmith.train.execution import Execution
from convsmith.train.inference import ready
from convsmith.train.protocols.batches import View, batches
from convsmith.train.protocols.means import Means
from convsmith.train.protocols.views import Protocol, protocol_named
from convsmith.train.protocols.wide import averaged, check_size, sliding
from convsmith.train.restore import Trained
from convsmith.train.watch import Silent, Watch

BATCH = 64
"""Images of the network's side that are computed at once, mirror images included; fewer if they are larger."""
AHEAD = 2
"""Batches that are decoded ahead of a GPU; on a CPU both want the same cores."""


def probabilities(
    trained: Trained, pictures: Pictures, protocol: str = "centre", *,
    flip: bool = True, batch: int = BATCH, execution: Execution | None = None, watch: Watch | None = None,
) -> Tensor:  # fmt: skip
    """Mean of softmax over the views of each picture, float32 (N, classes) on the CPU.

    flip       whether mirror images keep their class (a Data's `flip`); if not, protocols do without them
    execution  how to compute, on a copy with its batch norms folded where that can be; None: as the network stands
    watch      hears of each picture that is done, as of a step

    The network's mode, torch's threads and, with an execution, the network itself stay as they were.
    Raises UnknownName for a protocol that there is not; DataError for pictures of other channels or classes, and for a
    file that cannot be read any more; SpecError if the protocol is `dense` and the network cannot slide.
    """
    how, preprocess = protocol_named(protocol), trained.preprocess
    pictures.check_channels(preprocess.channels)
    check_classes(pictures, trained.classes)
    mirrored, watch, threads = how.mirrored and flip, watch or Silent(), torch.get_num_threads()
    room = max(1, batch // 2 if mirrored else batch) * preprocess.side**2
    means = Means(pictures, len(trained.classes), watch)
    watch.start(protocol, len(pictures), 0)
    try:
        with evaluating(trained.net):
            net = ready(sliding(trained.net) if how.wide else trained.net, execution)
            for views in _read(pictures, how, preprocess, room, net):
                images = torch.stack([view.pixels for view in views])
                means.add(views, answers(net, images, preprocess, mirrored=mirrored, execution=execution))
    finally:
        torch.set_num_threads(threads)
        watch.stop()
    return means.answer


def check_classes(pictures: Pictures, classes: Sequence[str]) -> None:
    """Raise DataError if labels do not point into this class map, naming the classes that it does not know."""
    pictures.under(classes)
    if pictures.classes != tuple(classes):
        raise DataError(
            f"the pictures' class map ({named(pictures.classes)}) is not the network's ({named(classes)}); take "
            "pictures.under(trained.classes)"
        )


def answers(
    net: nn.Module, images: Tensor, preprocess: Preprocess, *, mirrored: bool, execution: Execution | None
) -> Tensor:
    """Softmax of uint8 (n, C, h, w), float64 (n, classes) on the CPU: the mean with the mirror images if `mirrored`."""
    own = next(net.parameters())
    images = images.to(own.device) if execution is None else execution.images(images)
    with torch.inference_mode(), nullcontext() if execution is None else execution.autocast():
        shown = preprocess.normalise(images).to(own.dtype)
        shown = torch.cat([shown, shown.flip(3)]) if mirrored else shown
        found = averaged(net(shown)).double().softmax(1).cpu()
    return found.view(-1, len(images), found.shape[1]).mean(0)


def _read(
    pictures: Pictures, how: Protocol, preprocess: Preprocess, room: int, net: Net
) -> Generator[list[View], None, None]:
    """Batches of views; pictures are read one by one, as batches are asked for."""
    sizes: set[tuple[int, ...]] = set()

    def views() -> Iterator[View]:
        for i in range(len(pictures)):
            made = list(how.views(pictures.original(i), preprocess))
            for pixels in made:
                size = tuple(pixels.shape[-2:])
                if how.wide and size not in sizes:
                    check_size(net, *size)
                    sizes.add(size)
                yield View(i, len(made), pixels)

    return ahead(batches(views(), room), 0 if next(net.parameters()).device.type == "cpu" else AHEAD)
