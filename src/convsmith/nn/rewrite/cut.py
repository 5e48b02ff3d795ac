"""The inner outputs of a network: features for another head, at one scale or several."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor

from convsmith.nn.build import module_of
from convsmith.nn.modules import Block, Net
from convsmith.nn.rewrite.rebuilt import taken
from convsmith.spec.errors import SpecError, UnknownName, nearest
from convsmith.spec.network import Network
from convsmith.spec.signature import Sig
from convsmith.spec.trace import INPUT, Graph


class Features(Block):
    """(N, C, H, W) -> the outputs at some paths of a network, an OrderedDict by path, as torchvision's detectors want.

    Holds only the layers that these need, under their names in the network. `network` is the whole description and
    `sigs` the signature of each output, by path: channels, rows, columns and stride for images of the network's size.
    """

    def __init__(self, net: Net, network: Network, sigs: OrderedDict[str, Sig]) -> None:
        children: Any = {**net._modules, **net._parameters}
        super().__init__(children, net.program, net.program.outputs)
        self.network, self.sigs = network, sigs

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:  # type: ignore[override]  # *inputs would stop torch.fx
        """The outputs in the order in which they were asked for."""
        return OrderedDict(zip(self.sigs, self.run(self.program, (x,)), strict=True))


def cut(net: Net, *paths: str) -> Features:
    """What the network puts out at these paths, without the layers that are not needed for it.

    A path is a row's (`layer1.0.add`) or that of a module with one output (`layer1`, its last layer's). The tensors are
    copies. `cut(build(features.network), *features.sigs)` is a module for the same names.

    Raises UnknownName, offering the nearest path; SpecError for no path, for one that is given twice, and for a module
    with several outputs.
    """
    if not paths or len(set(paths)) < len(paths):
        raise SpecError(f"cut wants one or more paths, each once, got {', '.join(paths) or 'none'}")
    wanted = [row_at(net.graph, path) for path in paths]
    graph = _only(net.graph, wanted)
    sigs = OrderedDict((path, net.graph.rows[row].out) for path, row in zip(paths, wanted, strict=True))
    features = Features(module_of(graph, net.network, "cpu"), net.network, sigs)
    state = net.state_dict()
    taken(features, net, {key: state[key] for key in graph.weights})
    return features


def row_at(graph: Graph, path: str) -> int:
    """The row at a path, or the row whose output is that of the module at the path."""
    rows = [index for index, row in enumerate(graph.rows) if row.path == path]
    if rows:
        return rows[0]
    inside = [index for index, row in enumerate(graph.rows) if row.path.startswith(f"{path}.")]
    if not inside:
        parts = [row.path.split(".") for row in graph.rows]
        known = dict.fromkeys(".".join(part[:n]) for part in parts for n in range(1, len(part) + 1))
        raise UnknownName(f"{path}: no layer or module has this path{nearest(path, known)}")
    outside = {i for index, row in enumerate(graph.rows) if index not in set(inside) for i in row.inputs}
    read = outside | {graph.output, *(row for _, row in graph.taps)}
    ends = [index for index in inside if index in read]
    if len(ends) != 1:
        names = ", ".join(graph.rows[index].path for index in ends)
        raise SpecError(f"{path}: this module has {len(ends)} outputs ({names}); name one of them")
    return ends[0]


def _only(graph: Graph, wanted: list[int]) -> Graph:
    """The rows that are needed for these; they are its output and, as taps, its further outputs."""
    needed: set[int] = set()
    rows = list(wanted)
    while rows:
        index = rows.pop()
        if index != INPUT and index not in needed:
            needed.add(index)
            rows += graph.rows[index].inputs
    kept = sorted(needed)
    place = {INPUT: INPUT} | {index: position for position, index in enumerate(kept)}
    made = [graph.rows[index] for index in kept]
    again = tuple(row._replace(inputs=tuple(place[i] for i in row.inputs), tap=None) for row in made)
    output, *others = wanted
    taps = tuple((graph.rows[index].path, place[index]) for index in others)
    return Graph(graph.input, again, place[output], taps, graph.name)
