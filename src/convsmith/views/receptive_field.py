"""How much of the image each unit sees: the plain theory, for a map that goes on for ever beyond its borders.

    size   r' = r + (k - 1) * d * j        jump   j' = j * s        start  a' = a - p * j

(Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks", Eq. 3 to 5, with dilation d.)
Where branches meet, the union of their windows is taken. A unit is all channels at one place of a map. What it sees of
an image of this size, borders and gaps included, says `convsmith.views.region`.
"""

from __future__ import annotations

from functools import reduce
from math import gcd, lcm
from typing import NamedTuple

from convsmith.spec.node import Window
from convsmith.spec.signature import Rational, exact
from convsmith.spec.trace import INPUT, Graph, Row
from convsmith.views.reading import ALL, HERE, ONE, SAME, Reading, places, readings, taps

LONGEST = 4096
"""Where the windows of more units than this differ in shape, each unit is said to see what all see together."""


class Axis(NamedTuple):
    """Along one axis, in input pixels, padding counted as if it were image.

    `size` is the extent of a unit's window, from the first pixel that any path leads to up to the last, of the unit
    where it is largest; pixels between may be unseen (dilation, strides). `least` is the extent along the shortest way:
    at each join only the input of the smallest field is followed, as shortcuts keep one alive. `jump` is the distance
    to the next unit's window; where inputs of different jump meet, it is the first one's. `start` is the first pixel of
    the first window that is not empty, negative where it begins in the padding.

    `whole` says that every unit sees the whole image, however large it is, but for pixels that strides leave out: it
    reads all of some map, by global pooling, flattening, a gate made of either, or windows that cover an adaptive
    pool's map. It is not set where windows merely happen to be larger than this image; a unit that reads padding alone
    (behind a `Shift`) is no exception, since padding counts as image. Nothing adds to the whole: `size` and `start` are
    then of what all units see together at this input size.
    """

    size: int
    jump: Rational
    start: int
    least: int
    whole: bool = False


class Field(NamedTuple):
    """Receptive field of a unit: rows and cols."""

    rows: Axis
    cols: Axis

    @property
    def size(self) -> tuple[int, int]:
        """(rows, cols) in pixels; may exceed the image where windows reach into padding."""
        return self.rows.size, self.cols.size

    @property
    def least(self) -> tuple[int, int]:
        """(rows, cols) in pixels along the shortest way."""
        return self.rows.least, self.cols.least

    @property
    def whole(self) -> bool:
        """Whether every unit sees the whole image, however large it is."""
        return self.rows.whole and self.cols.whole


Ends = tuple[int, int] | None
"""First and last pixel; None of a unit that sees nothing."""


class Spans(NamedTuple):
    """What each unit sees: `ends` of the units of one period, from unit 0 on, and how far a period is from the next.

    A stack of convolutions has period 1; after a transposed convolution or an adaptive pool units differ.
    """

    ends: tuple[Ends, ...]
    shift: int

    def at(self, unit: int) -> Ends:
        """What a unit sees; units below 0 are padding."""
        periods, phase = divmod(unit, len(self.ends))
        ends = self.ends[phase]
        return None if ends is None else (ends[0] + periods * self.shift, ends[1] + periods * self.shift)

    def over(self, units: range) -> Ends:
        """What these units, in ascending order, see together. The first and last period's tell."""
        period = len(self.ends)
        if len(units) > 2 * period:
            return _hull(self.over(units[:period]), self.over(units[-period:]))
        ends: Ends = None
        for unit in units:
            ends = _hull(ends, self.at(unit))
        return ends

    def size(self, units: int) -> int:
        """The largest extent of the first `units`."""
        return max(0 if ends is None else ends[1] - ends[0] + 1 for ends in self.ends[:units])

    def together(self, units: int) -> Spans:
        """Every unit sees what the first `units` see together."""
        return Spans((self.over(range(units)),), 0)


class Line(NamedTuple):
    """One axis of a map while it is followed: its units' distance, what they see, and what along the shortest way.

    A map made of an adaptive pool's also knows which of that one's `of` units are seen, its `parts`, until each of its
    units sees all of them: then it is `whole`, and every unit sees the same.
    """

    jump: Rational
    sees: Spans
    short: Spans
    whole: bool = False
    parts: Spans | None = None
    of: int = 0


PIXEL = Spans(((0, 0),), 1)
IMAGE = Line(1, PIXEL, PIXEL)


def receptive_field(graph: Graph) -> tuple[Field, ...]:
    """The field of every row of the graph, in its order.

    >>> from convsmith import spec, trace
    >>> fields = receptive_field(trace(spec("vgg16")))
    >>> fields[30].size, fields[-1].size, fields[-1].whole
    ((212, 212), (404, 404), True)
    """
    maps: list[tuple[Line, Line]] = []
    fields: list[Field] = []
    for row in graph.rows:
        how = readings(graph, row)
        if how == HERE and row.inputs[0] != INPUT:
            maps.append(maps[row.inputs[0]])
            fields.append(fields[row.inputs[0]])
            continue
        sources = [(IMAGE, IMAGE) if i == INPUT else maps[i] for i in row.inputs]
        made = _made(graph, row, how, sources)
        maps.append(made)
        rows, cols = places(row.out)
        tall = _axis(made[0], rows)
        fields.append(Field(tall, tall if made[0] is made[1] and rows == cols else _axis(made[1], cols)))
    return tuple(fields)


def _made(
    graph: Graph, row: Row, how: tuple[Reading | Window, ...], sources: list[tuple[Line, Line]]
) -> tuple[Line, Line]:
    """The row's map. Both axes are the same object where nothing tells them apart, which saves half of the work."""
    sizes, out = [places(sig) for sig in graph.sigs(row)], places(row.out)
    square = out[0] == out[1] and all(
        rows is cols and size[0] == size[1] and (isinstance(one, Reading) or _is_square(one))
        for (rows, cols), size, one in zip(sources, sizes, how, strict=True)
    )
    inputs = sorted(zip(sources, how, sizes, strict=True), key=lambda read: read[1] is ONE)  # a gate comes last
    lines = [
        _meet([_read(source[axis], one, axis, size[axis], out[axis]) for source, one, size in inputs], out[axis])
        for axis in ((0,) if square else (0, 1))
    ]
    return lines[0], lines[-1]


def _read(at: Line, how: Reading | Window, axis: int, units: int, out: int) -> Line:
    """What `out` units see through one input of `units` units."""
    if how is SAME:
        return at
    if how is ALL:
        return Line(at.jump, at.sees.together(units), at.short.together(units), whole=True)
    if how is ONE:
        return at._replace(
            sees=at.sees.together(1), short=at.short.together(1), parts=at.parts and at.parts.together(1)
        )
    assert isinstance(how, Window)
    jump = exact(at.jump * how.stride[axis])
    short = _through(at.short, how, axis, units, out)
    if at.whole:
        return Line(jump, at.sees, short, whole=True)
    sees = short if at.sees is at.short else _through(at.sees, how, axis, units, out)
    parts, of = None if at.parts is None else _through(at.parts, how, axis, units, out), at.of
    if parts is None and how.adaptive:
        parts, of = PIXEL, out
    return _line(jump, sees, short, parts, of, out)


def _through(spans: Spans, window: Window, axis: int, units: int, out: int) -> Spans:
    stride = window.stride[axis]
    if window.adaptive and out == 1:
        return spans.together(units)
    if isinstance(stride, int) and len(spans.ends) == 1 and spans.ends[0] is not None and not window.adaptive:
        first, last = spans.ends[0]
        before = window.pad[axis]
        after = (window.kernel[axis] - 1) * window.dilation[axis] - before
        return Spans(((first - before * spans.shift, last + after * spans.shift),), spans.shift * stride)
    common = gcd(stride.numerator, len(spans.ends))
    period = len(spans.ends) // common * stride.denominator
    if period > LONGEST:
        return spans.together(units)
    ends = tuple(spans.over(taps(window, axis, unit)) for unit in range(period))
    return Spans(ends, spans.shift * (stride.numerator // common))


def _meet(lines: list[Line], units: int) -> Line:
    """Every unit sees what it sees through each input."""
    first = lines[0]
    if all(line is first for line in lines):
        return first
    short = min((line.short for line in lines), key=lambda spans: spans.size(units))
    if any(line.whole for line in lines):
        together = [line.sees.together(units) for line in lines]
        return Line(first.jump, reduce(lambda a, b: _union(a, b, 1), together), short, whole=True)
    sees, parts = first.sees, first.parts
    for line in lines[1:]:
        sees = _union(sees, line.sees, units)
        parts = _union(parts, line.parts, units) if parts and line.parts and line.of == first.of else None
    return _line(first.jump, sees, short, parts, first.of, units)


def _union(a: Spans, b: Spans, units: int) -> Spans:
    """Both together. Where one moves faster than the other, each unit has its own, and padding goes on as `a` does."""
    if a == b:
        return a
    even = a.shift * len(b.ends) == b.shift * len(a.ends)
    period = lcm(len(a.ends), len(b.ends))
    shift = a.shift * (period // len(a.ends))
    if not even or period > LONGEST:
        period, shift = units, a.shift * units // len(a.ends)
    if period > LONGEST:
        return Spans((_hull(a.over(range(units)), b.over(range(units))),), 0)
    return Spans(tuple(_hull(a.at(unit), b.at(unit)) for unit in range(period)), shift)


def _line(jump: Rational, sees: Spans, short: Spans, parts: Spans | None, of: int, units: int) -> Line:
    """The line of a map of `units` units, which is whole if each of them sees all parts."""
    if parts is None or not _covered(parts, of, units):
        return Line(jump, sees, short, False, parts, of)
    return Line(jump, sees.together(units), short, whole=True)


def _covered(parts: Spans, of: int, units: int) -> bool:
    seen = (parts.at(unit) for unit in range(min(units, LONGEST + 1)))
    return units <= LONGEST and all(ends is not None and ends[0] <= 0 and ends[1] >= of - 1 for ends in seen)


def _axis(line: Line, units: int) -> Axis:
    start = next((ends[0] for ends in line.sees.ends if ends is not None), 0)
    size = line.sees.size(units)
    return Axis(size, line.jump, start, min(line.short.size(units), size), line.whole)


def _hull(a: Ends, b: Ends) -> Ends:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


def _is_square(window: Window) -> bool:
    return all(rows == cols for rows, cols in (window.kernel, window.stride, window.pad, window.dilation))
