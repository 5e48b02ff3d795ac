"""How much of the image each unit sees.

    size   r' = r + (k - 1) * d * j        jump   j' = j * s        start  a' = a - p * j

(Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks", Eq. 3 to 5, with dilation d.)
Where branches meet, the union of their windows is taken. A flat vector is one unit that sees all of the map it came
from.
"""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

from convsmith.spec.errors import ShapeError
from convsmith.spec.node import Window
from convsmith.spec.signature import Rational, exact
from convsmith.spec.trace import INPUT, Graph, Row


class Axis(NamedTuple):
    """Along one axis, in input pixels: extent of the window, distance to the next unit's, first pixel of the first
    unit's.

    `start` is negative where the window begins in the padding.
    """

    size: int
    jump: Rational
    start: Rational


class Field(NamedTuple):
    """Receptive field of a unit: rows and cols."""

    rows: Axis
    cols: Axis

    @property
    def size(self) -> tuple[int, int]:
        """(rows, cols) in pixels; may exceed the image where windows reach into padding."""
        return self.rows.size, self.cols.size


PIXEL = Axis(1, 1, 0)


def receptive_field(graph: Graph) -> tuple[Field, ...]:
    """The field of every row of the graph, in its order.

    Raises ShapeError if branches meet whose units are not equally far apart.
    >>> from convsmith import spec, trace
    >>> receptive_field(trace(spec("vgg16")))[-1].size
    (404, 404)
    """
    fields: list[Field] = []
    for row in graph.rows:
        sources = [Field(PIXEL, PIXEL) if i == INPUT else fields[i] for i in row.inputs]
        fields.append(_one(graph, row, sources[0], fields) if len(sources) == 1 else _union(graph, row, sources))
    return tuple(fields)


def _one(graph: Graph, row: Row, at: Field, fields: list[Field]) -> Field:
    window = row.facts.window
    if window is not None:
        return Field(_through(at.rows, window, 0), _through(at.cols, window, 1))
    before = graph.sigs(row)[0]
    if row.out.flat and not before.flat:
        source = graph.rows[row.inputs[0]] if row.inputs[0] != INPUT else row
        if source.facts.window is not None and source.facts.window.adaptive:  # together they see all of its input
            index, before = source.inputs[0], graph.sigs(source)[0]
            at = fields[index] if index != INPUT else Field(PIXEL, PIXEL)
        return Field(_whole(at.rows, before.rows), _whole(at.cols, before.cols))
    return at


def _through(at: Axis, window: Window, axis: int) -> Axis:
    stride, dilation, pad = window.stride[axis], window.dilation[axis], window.pad[axis]
    reach = (window.kernel[axis] - 1) * dilation
    jump = exact(at.jump * stride)
    if stride >= 1 or window.adaptive:
        return Axis(floor(at.size + reach * at.jump), jump, exact(at.start - pad * at.jump))
    enlarge = round(1 / stride)  # transposed: an output unit sees every enlarge-th tap of the kernel
    seen = ceil((reach + 1) / enlarge) - 1
    return Axis(floor(at.size + seen * at.jump), jump, exact(at.start - (reach - pad) // enlarge * at.jump))


def _whole(at: Axis, units: int) -> Axis:
    return Axis(floor(at.size + (units - 1) * at.jump), at.jump, at.start)


def _union(graph: Graph, row: Row, fields: list[Field]) -> Field:
    gate = row.kind == "mul" and graph.sigs(row)[1].shape[1:] == (1, 1)
    return Field(*(_meet(row.path, [f[axis] for f in fields], gate) for axis in (0, 1)))


def _meet(path: str, axes: list[Axis], gate: bool) -> Axis:
    if gate:  # one gate value scales the whole map: every unit sees what the gate sees
        return Axis(max(a.size for a in axes), axes[0].jump, min(a.start for a in axes))
    if len({a.jump for a in axes}) > 1:
        jumps = " and ".join(str(a.jump) for a in axes)
        raise ShapeError(f"{path}: branches of different jump ({jumps} px) meet; their units see no common region")
    start = min(a.start for a in axes)
    return Axis(max(floor(a.start - start) + a.size for a in axes), axes[0].jump, start)
