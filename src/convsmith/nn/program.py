"""How one container of the module tree runs its children, read off the graph's rows.

A container (a path prefix) holds children: layers, further containers, and the joins where its branches meet. Its
program calls each child once, in order, and says which values go in and come out. The built module interprets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from convsmith.spec.errors import SpecError
from convsmith.spec.node import Join
from convsmith.spec.trace import Graph


class Step(NamedTuple):
    """Call child `name` (with `join`: add, concat or mul) on slots `args` into slots `results`, then free `drop`."""

    name: str
    args: tuple[int, ...]
    results: tuple[int, ...]
    join: bool = False
    drop: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """Slots 0 .. inputs-1 hold the inputs; `outputs` are the slots handed back."""

    inputs: int
    slots: int
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    @property
    def chain(self) -> bool:
        """Whether each child reads just what the one before it made, as `nn.Sequential` runs them."""
        ends = [*range(len(self.steps) + 1)]
        straight = all(not s.join and s.args == (i,) and s.results == (i + 1,) for i, s in enumerate(self.steps))
        return self.inputs == 1 and straight and self.outputs == (ends[-1],)

    def only(self, outputs: tuple[int, ...]) -> Program:
        """The same program for fewer outputs, without the steps that nothing then reads."""
        wanted, kept = set(outputs), []
        for step in reversed(self.steps):
            if wanted & set(step.results):
                kept.append(step)
                wanted |= set(step.args)
        return Program(self.inputs, self.slots, _free(kept[::-1], outputs), outputs)


@dataclass(frozen=True)
class Part:
    """One child of a container: its rows, the rows outside that it reads, and its rows that are read outside."""

    name: str
    rows: tuple[int, ...]
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    is_row: bool


def parts_of(graph: Graph, prefix: str, rows: Sequence[int], wanted: frozenset[int]) -> tuple[Part, ...]:
    """Children of the container `prefix` that has these rows; `wanted` are rows read outside of it."""
    start = len(prefix) + 1 if prefix else 0
    groups: dict[str, list[int]] = {}
    last = None
    for index in rows:
        name = graph.rows[index].path[start:].partition(".")[0]
        if not name:
            raise SpecError(f"{prefix}: one layer has this path and others lie below it; give them different names")
        if name in groups and name != last:
            raise SpecError(
                f"{prefix or 'network'}: the layers of {name!r} are interleaved with others and make no module"
            )
        groups.setdefault(name, []).append(index)
        last = name
    readers: dict[int, set[str]] = {}
    names = {index: name for name, group in groups.items() for index in group}
    for index in rows:
        for source in graph.rows[index].inputs:
            readers.setdefault(source, set()).add(names[index])
    made = []
    for name, group in groups.items():
        reads = dict.fromkeys(s for i in group for s in graph.rows[i].inputs if names.get(s) != name)
        makes = tuple(i for i in group if i in wanted or readers.get(i, set()) - {name})
        single = len(group) == 1 and graph.rows[group[0]].path[start:] == name
        made.append(Part(name, tuple(group), tuple(reads), makes, single))
    return tuple(made)


def program_of(graph: Graph, parts: Sequence[Part], reads: Sequence[int], outputs: Sequence[int]) -> Program:
    """The program of a container whose inputs are the rows `reads` and whose outputs are the rows `outputs`."""
    slot = {row: position for position, row in enumerate(reads)}
    steps = []
    for part in parts:
        args = tuple(slot[row] for row in part.reads)
        for row in part.makes:
            slot[row] = len(slot)
        join = part.is_row and isinstance(graph.rows[part.rows[0]].node, Join)
        if join:  # a join may read one value twice
            args = tuple(slot[row] for row in graph.rows[part.rows[0]].inputs)
        word = graph.rows[part.rows[0]].node.kind if join else part.name
        steps.append(Step(word, args, tuple(slot[row] for row in part.makes), join))
    ends = tuple(slot[row] for row in outputs)
    return Program(len(reads), len(slot), _free(steps, ends), ends)


def _free(steps: Sequence[Step], outputs: tuple[int, ...]) -> tuple[Step, ...]:
    """Steps with `drop` set: slots that no later step reads and that are no output."""
    live, freed = set(outputs), []
    for step in reversed(steps):
        drop = tuple(sorted(({*step.args, *step.results}) - live))
        live |= set(step.args)
        freed.append(step._replace(drop=drop))
    return tuple(freed[::-1])
