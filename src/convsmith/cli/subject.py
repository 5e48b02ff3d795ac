"""What a word on the command line stands for: a network of ours, or somebody's module or file as a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from convsmith.cli.words import network_of
from convsmith.spec.errors import SpecError
from convsmith.spec.network import Network
from convsmith.spec.signature import Pair
from convsmith.spec.trace import Graph, network_around, trace

HELP = (
    "A name (see `convsmith list`), a description (.json), a run folder, an ONNX file, timm:NAME, torchvision:NAME, "
    "or your code: path/to/file.py:Name or package.module:Name."
)


class Subject(NamedTuple):
    """A graph, and the description that it was traced from; None where it was imported."""

    graph: Graph
    network: Network | None


def subject(
    what: str, *, classes: int | None = None, side: int | Pair | None = None, channels: int | None = None,
    options: dict[str, Any] | None = None, allow_unknown: bool = False,
) -> Subject:  # fmt: skip
    """The graph of a word. Code of your own is run; libraries are imported, and torch only where it is needed.

    Raises SpecError and its kinds for what is not there, ImportFailed for what cannot be read as a graph.
    """
    if what.endswith(".onnx"):
        _refuse(what, classes=classes, channels=channels, options=options)
        from convsmith.nn.importer import from_onnx

        return Subject(from_onnx(what, side, allow_unknown=allow_unknown), None)
    if ":" in what and not Path(what).exists():
        return _named(what, classes, side, channels, options or {}, allow_unknown)
    network = network_of(what, classes, options)
    return Subject(trace(network, side, channels), network)


def _named(
    what: str, classes: int | None, side: int | Pair | None, channels: int | None, options: dict[str, Any],
    allow_unknown: bool,
) -> Subject:  # fmt: skip
    from torch import nn

    from convsmith.nn.importer import from_torch
    from convsmith.nn.importer.named import image_of, named

    if classes is not None:
        library = what.startswith(("timm:", "torchvision:"))
        _refuse(what, **({} if library else {"classes": classes}))
        options = options | {"num_classes": classes}
    found = named(what, options)
    if isinstance(found, nn.Module):
        image = image_of(found)
        rows, cols = (side, side) if isinstance(side, int) else side or image[1:]
        size = (image[0] if channels is None else channels, rows, cols)
        graph = from_torch(found, size, allow_unknown=allow_unknown)
        return Subject(Graph(graph.input, graph.rows, graph.output, name=what.rpartition(":")[2]), None)
    network = found if isinstance(found, Network) else network_around(found, side, channels)
    return Subject(trace(network, side, channels), network)


def _refuse(what: str, **given: Any) -> None:
    for name, value in given.items():
        if value:
            word = "set" if name == "options" else name
            raise SpecError(f"{what} is finished: --{word} is for networks that are made here")
