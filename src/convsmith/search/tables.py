"""A table a segment: what each of its forms costs, so that members cost a gather and a sum.

A segment's form is told by the choices that it reads and by those that decide what enters it. Each form is traced by
itself, once. Sums add up; the peak of memory is the largest of the segments', as a segment holds what entered it until
it ends and nothing else waits but the image, which the caller keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from convsmith.search.spaces.chain import SIDE
from convsmith.search.spaces.choice import Settings, Value
from convsmith.search.spaces.numbering import Rows
from convsmith.search.spaces.space import Space
from convsmith.spec.errors import SpaceError
from convsmith.spec.signature import Sig
from convsmith.spec.trace import Graph, trace
from convsmith.views.cost import BYTES, cost
from convsmith.views.memory import inference_memory

Ints = NDArray[np.int64]
CHUNK = 2**14
"""Members that are looked up at a time, so that what they need stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Table:
    """A segment's forms: `keys` are the places of the choices that tell them apart, `strides` the steps of each.

    sums  (forms, 5): parameters, bytes of weights, MACs, outputs, bytes that the memory plan holds throughout
    held  (forms,): bytes that live at the segment's peak besides those
    """

    keys: tuple[int, ...]
    strides: tuple[int, ...]
    sums: Ints
    held: Ints

    def forms(self, rows: Rows) -> NDArray[np.int32]:
        """Which form each member has."""
        found = np.zeros(rows.shape[1], np.int32)
        for key, stride in zip(self.keys, self.strides, strict=True):
            found += np.multiply(rows[key], stride, dtype=np.int32)
        return found


class Tables:
    """Of a space of segments. Raises SpaceError for a segment that reads a choice that it does not name."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._enters: dict[tuple[int, tuple[Value, ...]], Sig] = {}
        self.entering = self._entering()
        self.tables = [self._table(i) for i in range(len(space.segments))]

    def costs(self, rows: Rows) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Parameters, bytes of weights, MACs, outputs and bytes of the peak: int64 (members,) each."""
        sums, held = np.zeros((rows.shape[1], 5), np.int64), np.zeros(rows.shape[1], np.int64)
        for start in range(0, rows.shape[1], CHUNK):
            part = slice(start, start + CHUNK)
            some = np.ascontiguousarray(rows[:, part])
            for table in self.tables:
                forms = table.forms(some)
                sums[part] += table.sums.take(forms, axis=0)
                np.maximum(held[part], table.held.take(forms), out=held[part])
        params, weights, macs, outputs, stored = sums.T
        return params, weights, macs, outputs, stored + held

    def _entering(self) -> list[tuple[str, ...]]:
        """The choices that decide what enters each segment: the width before it, and all that changed the size."""
        lasting: tuple[str, ...] = (SIDE,) if SIDE in self.space.place else ()
        found = [lasting]
        for segment in self.space.segments:
            lasting = _once(lasting, segment.scale)
            found.append(_once(lasting, segment.width))
        return found

    def _table(self, i: int) -> Table:
        segment, place = self.space.segments[i], self.space.place
        names = _once(self.entering[i], segment.reads)
        keys = tuple(place[name] for name in names)
        counts = [len(self.space.choices[key].options) for key in keys]
        strides = tuple(prod(counts[k + 1 :]) for k in range(len(counts)))
        sums, held = np.zeros((prod(counts), 5), np.int64), np.zeros(prod(counts), np.int64)
        leaves: dict[tuple[Value, ...], Sig] = {}
        for form, settings in self._settings(keys):
            graph = self._graph(i, settings)
            out = graph.rows[graph.output].out
            known = leaves.setdefault(tuple(settings.get(name, 0) for name in self.entering[i + 1]), out)
            if known[:3] != out[:3]:
                raise SpaceError(f"segment {segment.name!r} puts out {known} and {out} where the choices that it names "
                                 f"for width and scale are the same; name the one that differs")  # fmt: skip
            total, plan = cost(graph), inference_memory(graph)
            stored = plan.weights + plan.buffers
            sums[form] = total.params, total.weight_bytes, total.macs, total.activations, stored
            held[form] = plan.peak_bytes() - stored + (self._image(settings) if i else 0)
        return Table(keys, strides, sums, held)

    def _settings(self, keys: Sequence[int]) -> Iterator[tuple[int, Settings]]:
        """Every form that a member can have: its number and its choices. Choices that are not there have option 0."""
        chosen = [self.space.choices[key] for key in keys]
        for form, at in enumerate(product(*(range(len(choice.options)) for choice in chosen))):
            settings = {choice.name: choice.options[option] for choice, option in zip(chosen, at, strict=True)}
            away = [
                c.when is not None and c.when[0] in settings and settings[c.when[0]] not in c.when[1] for c in chosen
            ]
            if not any(gone and option for gone, option in zip(away, at, strict=True)):
                yield form, settings

    def _graph(self, i: int, settings: Settings) -> Graph:
        enters = self._sig(i, settings)
        return trace(self.space.segments[i].node(settings), (enters.rows, enters.cols), enters.channels)

    def _sig(self, i: int, settings: Settings) -> Sig:
        """What enters a segment. Of the segments before it, the choices that do not matter for that are the first."""
        if not i:
            side = int(settings.get(SIDE, self.space.images["side"]))
            return Sig(self.space.images["channels"], side, side)
        key = i, tuple(settings.get(name, 0) for name in self.entering[i])
        if key not in self._enters:
            needed = _once(self.entering[i - 1], self.space.segments[i - 1].reads)
            first = {name: self.space.choices[self.space.place[name]].options[0] for name in needed}
            graph = self._graph(i - 1, first | {name: settings[name] for name in self.entering[i]})
            self._enters[key] = graph.rows[graph.output].out
        return self._enters[key]

    def _image(self, settings: Settings) -> int:
        return BYTES * self._sig(0, settings).elements


def _once(some: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*some, *more)))
