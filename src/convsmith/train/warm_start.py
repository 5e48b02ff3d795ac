"""Deep networks that begin with the weights of shallow ones, as VGG's were trained.

Simonyan & Zisserman 2015, "Very deep convolutional networks for large-scale image recognition" (arXiv:1409.1556),
section 3.1: "we began with training the configuration A (Table 1), shallow enough to be trained with random
initialisation. Then, when training deeper architectures, we initialised the first four convolutional layers and the
last three fully-connected layers with the layers of net A (the intermediate layers were initialised randomly)."

Counted from the image alone that cannot be done: A's second convolution makes 128 maps of 64, D's second 64 of 64. So
A's first four go where the deeper net has them by Table 1, in the same block at the same place: conv1_1, conv2_1,
conv3_1 and conv3_2. Fully-connected layers are counted from the end. A layer brings its normalisation along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from convsmith.nn import Net
from convsmith.spec.errors import WeightsError
from convsmith.spec.trace import Graph, Row
from convsmith.train.restore import restore
from convsmith.train.run import Run

FIRST, LAST = 4, 3
"""Convolutions from the image and linear layers from the end that VGG's rule takes."""

Place = tuple[str, int, int]
"""("conv", block, place in the block), from 1; ("linear", 0, place from the end), from 1."""


@dataclass(frozen=True)
class WarmStart:
    """What a network took from another, in layers with weights.

    rule    "vgg", or "names" for layers of the same path
    source  the name of the network that was taken from
    taken   (their path, our path) of each layer, normalisations included
    left    (our path, why) of each layer that keeps what it had
    """

    rule: str
    source: str
    taken: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        taken = ", ".join(ours if ours == theirs else f"{ours} from {theirs}" for theirs, ours in self.taken)
        left = ", ".join(f"{path} ({why})" for path, why in self.left) or "none"
        rule = "VGG's rule" if self.rule == "vgg" else "equal names"
        total = len(self.taken) + len(self.left)
        return f"{len(self.taken)} of {total} layers begin with those of {self.source} by {rule}: {taken}; left: {left}"


def warm_start(net: Net, source: Net | Run) -> WarmStart:
    """Copy into `net` what a trained shallower network has for it; all else keeps its initial weights.

    By VGG's rule (see the file) where both are chains and `net` has more convolutions; otherwise each layer whose path
    and shapes are the same. A layer is taken whole or not at all. Raises WeightsError where nothing fits, with `net`
    untouched; RunError for a run that has not been trained to its end.
    """
    given = restore(source).net if isinstance(source, Run) else source
    ours, theirs = net.graph, given.graph
    deeper = _convolutions(ours) > _convolutions(theirs)
    rule = "vgg" if deeper and _is_chain(ours) and _is_chain(theirs) else "names"
    pairs = dict(_by_place(ours, theirs) if rule == "vgg" else _by_name(ours, theirs))
    taken, left, copied = list[tuple[str, str]](), list[tuple[str, str]](), dict[str, str]()
    for row in ours.rows:
        if not row.facts.weights:
            continue
        other = pairs.get(row.path)
        why = _why_not(row, other, given.network.name)
        if other is None or why:
            left.append((row.path, why))
            continue
        taken.append((other.path, row.path))
        names = zip(row.facts.weights, other.facts.weights, strict=True)
        copied |= {mine.key(row.path): their.key(other.path) for mine, their in names}
    if not taken:
        raise WeightsError(
            f"nothing of {given.network.name} fits {net.network.name}: {left[0][0]} is left ({left[0][1]}), and so are "
            "all others; take a shallower network of the same family"
        )
    _copy(net, given, copied)
    return WarmStart(rule, given.network.name, tuple(taken), tuple(left))


def _copy(net: Net, given: Net, keys: Mapping[str, str]) -> None:
    """In place, so that optimisers, memory formats and what is frozen stay as they are."""
    mine, theirs = net.state_dict(), given.state_dict()
    with torch.no_grad():
        for ours, key in keys.items():
            mine[ours].copy_(theirs[key])


def _why_not(row: Row, other: Row | None, source: str) -> str:
    """Why a layer cannot be taken, or "" if it can."""
    if other is None:
        return f"{source} has none for it"
    shapes = [[(w.name, w.shape) for w in at.facts.weights] for at in (row, other)]
    if row.kind == other.kind and shapes[0] == shapes[1]:
        return ""
    texts = ["×".join(map(str, at.facts.weights[0].shape)) if at.facts.weights else "nothing" for at in (other, row)]
    if texts[0] != texts[1]:
        return f"{texts[0]} in {source}, {texts[1]} here"
    return f"another kind of layer in {source}: {other.kind}, here {row.kind}"


def _by_name(ours: Graph, theirs: Graph) -> Iterator[tuple[str, Row]]:
    known = {row.path: row for row in theirs.rows}
    return ((row.path, known[row.path]) for row in ours.rows if row.path in known)


def _by_place(ours: Graph, theirs: Graph) -> Iterator[tuple[str, Row]]:
    known, here = _places(theirs), _places(ours)
    first = [place for place in known if place[0] == "conv"][:FIRST]
    last = [place for place in known if place[0] == "linear" and place[2] <= LAST]
    for place in (*first, *last):
        for mine, their in zip(here.get(place, ()), known[place], strict=False):
            yield mine.path, their


def _places(graph: Graph) -> dict[Place, list[Row]]:
    """Each convolution and linear layer, and the other layers with weights up to the next one, by place."""
    linear = sum(row.node.category == "linear" for row in graph.rows)
    block, inside, found = 1, 0, dict[Place, list[Row]]()
    rows: list[Row] = []
    for row in graph.rows:
        if row.node.category == "pooling":
            block, inside = block + 1, 0
        elif row.node.category == "convolution":
            inside += 1
            rows = found["conv", block, inside] = [row]
        elif row.node.category == "linear":
            rows = found["linear", 0, linear] = [row]
            linear -= 1
        elif row.facts.weights:
            rows.append(row)
    return found


def _convolutions(graph: Graph) -> int:
    return sum(row.node.category == "convolution" for row in graph.rows)


def _is_chain(graph: Graph) -> bool:
    """Whether each layer reads just the one before it."""
    return all(row.inputs == (index - 1,) for index, row in enumerate(graph.rows))
