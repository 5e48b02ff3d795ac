"""The part of an image that one unit sees: followed back from the unit, place by place, to the image.

Unlike the plain theory (`convsmith.views.receptive_field`) this knows borders: padding holds nothing, and what a stride
leaves over at the edge is seen by nobody.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from convsmith.spec.errors import SpecError
from convsmith.spec.node import Window
from convsmith.spec.signature import Pair
from convsmith.spec.trace import INPUT, Graph
from convsmith.views.reading import ALL, ONE, Reading, places, readings, taps

Places = dict[int, int]
"""Units of a map: their rows, and for each its columns as the bits of an integer."""


class Box(NamedTuple):
    """Pixels of the image, ends excluded: `image[box.top : box.bottom, box.left : box.right]`."""

    top: int
    bottom: int
    left: int
    right: int


def region(graph: Graph, row: int, unit: Pair = (0, 0)) -> Box | None:
    """The smallest box inside the image that holds every pixel which unit (i, j) of `graph.rows[row]` can depend on.

    A vector has one unit, (0, 0). None if the unit sees only padding (beyond a `Shift`'s edge, between the taps of a
    transposed convolution). Pixels inside the box may be unseen (dilation, strides). Two things are taken for more than
    they are: a part of the channels sees what all channels of that place see, and a gate acts also where it scales a
    zero that no pixel made. Raises SpecError if there is no such row or unit.

    >>> from convsmith import spec, trace
    >>> region(trace(spec("vgg16")), 30, (0, 6))  # pool5, top right corner: half of the 212 pixels are padding
    Box(top=0, bottom=122, left=102, right=224)
    """
    if not -len(graph.rows) <= row < len(graph.rows):
        raise SpecError(f"there is no row {row}: the graph has {len(graph.rows)}, numbered from 0")
    last = row % len(graph.rows)
    rows, cols = places(graph.rows[last].out)
    if not (0 <= unit[0] < rows and 0 <= unit[1] < cols):
        raise SpecError(f"{graph.rows[last].path}: there is no unit {unit}; its map is {rows}×{cols}, from (0, 0)")
    wanted: defaultdict[int, Places] = defaultdict(dict)
    wanted[last] = {unit[0]: 1 << unit[1]}
    for index in range(last, -1, -1):
        if units := wanted.pop(index, None):
            here = graph.rows[index]
            for source, how, sig in zip(here.inputs, readings(graph, here), graph.sigs(here), strict=True):
                _add(wanted[source], _read(units, how, places(sig)))
    return _box(wanted[INPUT])


def _read(units: Places, how: Reading | Window, size: Pair) -> Places:
    """The units of an input of `size` that these units read."""
    if how is ONE:
        return {0: 1}
    if how is ALL:
        return dict.fromkeys(range(size[0]), (1 << size[1]) - 1)
    if not isinstance(how, Window):
        return units
    masks = {mask: _columns(mask, how, size[1]) for mask in set(units.values())}
    found: Places = {}
    for unit, mask in units.items():
        for row in inside(taps(how, 0, unit), size[0]):
            found[row] = found.get(row, 0) | masks[mask]
    return found


def _columns(mask: int, window: Window, size: int) -> int:
    found = 0
    while mask:
        lowest = mask & -mask
        for col in inside(taps(window, 1, lowest.bit_length() - 1), size):
            found |= 1 << col
        mask ^= lowest
    return found


def inside(units: range, size: int) -> range:
    """Those of ascending units that are on a map of this size."""
    start = units.start if units.start >= 0 else units.start % units.step
    return range(start, min(units.stop, size), units.step)


def _add(units: Places, more: Places) -> None:
    for row, mask in more.items():
        if mask:
            units[row] = units.get(row, 0) | mask


def _box(units: Places) -> Box | None:
    if not units:
        return None
    every = 0
    for mask in units.values():
        every |= mask
    return Box(min(units), max(units) + 1, (every & -every).bit_length() - 1, every.bit_length())
