"""A diff as a person reads it: what is alike in one line, what repeats from block to block once, with a count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from convsmith.views.diff import Changes, Diff, Line
from convsmith.views.printable import printable

NO_BREAK = "\u00a0"

LONGEST_BLOCK = 24
"""Entries that are looked at as one repeating block."""


class Run(NamedTuple):
    """Layers that nobody changed, of which `resized` have another size of input."""

    lines: tuple[Line, ...]

    @property
    def resized(self) -> int:
        """How many of them have another size of input."""
        return sum(line.status == "resized" for line in self.lines)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for runs that read alike."""
        return (len(self.lines), self.resized, *(_name(line) for line in self.lines))

    @property
    def words(self) -> str:
        """`9 layers alike, 2 of them at another size`."""
        count, resized = len(self.lines), self.resized
        said = f"{count} layer{'s' * (count > 1)} alike"
        if not resized:
            return said
        return said + (", at another size" if resized == count else f", {resized} of them at another size")


class Repeat(NamedTuple):
    """Entries that stand `times` times one after the other; `entries` are the first ones, `last` ends the last."""

    entries: tuple[Run | Line, ...]
    times: int
    last: str


Entry = Run | Line | Repeat
E = TypeVar("E", Run | Line, Entry)


def outline(found: Diff) -> tuple[Entry, ...]:
    """The lines, with runs of untouched ones and equal neighbouring blocks of changes gathered."""
    entries: list[Run | Line] = []
    for line in found.lines:
        last = entries[-1] if entries else None
        if line.status not in ("equal", "resized"):
            entries.append(line)
        elif isinstance(last, Run) and _container(last.lines[-1]) == _container(line):
            entries[-1] = Run((*last.lines, line))  # a run ends with its block, so that the last block is as the others
        else:
            entries.append(Run((line,)))
    return _merged(_folded(entries))


def _container(line: Line) -> str:
    return line.row.path.rpartition(".")[0]


def _merged(entries: Iterable[E]) -> tuple[E, ...]:
    """Neighbouring runs as one."""
    found: list[E] = []
    for entry in entries:
        last = found[-1] if found else None
        if isinstance(entry, Run) and isinstance(last, Run):
            found[-1] = Run(last.lines + entry.lines)
        else:
            found.append(entry)
    return tuple(found)


def _folded(entries: Sequence[Run | Line]) -> tuple[Entry, ...]:
    keys = [_key(entry) for entry in entries]
    found: list[Entry] = []
    at = 0
    while at < len(entries):
        size, times = max(((p, _times(keys, at, p)) for p in range(1, LONGEST_BLOCK)), key=_worth)
        if times == 1 or all(isinstance(entry, Run) for entry in entries[at : at + size]):
            found.append(entries[at])
            at += 1
            continue
        end = at + size * times
        found.append(Repeat(_merged(entries[at : at + size]), times, last_path(entries[end - 1])))
        at = end
    return tuple(found)


def _worth(way: tuple[int, int]) -> tuple[int, int]:
    size, times = way
    return (size * (times - 1), -size)


def _times(keys: Sequence[Any], at: int, size: int) -> int:
    first, times = keys[at : at + size], 1
    while keys[at + size * times : at + size * (times + 1)] == first:
        times += 1
    return times


def _key(entry: Run | Line) -> tuple[Any, ...]:
    if isinstance(entry, Run):
        return entry.key
    sides = (row and (row.kind, row.out.shape, row.facts.params, row.facts.macs) for row in (entry.a, entry.b))
    return (entry.status, _name(entry), tuple(c for c in entry.changes if c[0] not in ("reads", "after")), *sides)


def _name(line: Line) -> str:
    """The path without its numbers, by which equal layers of neighbouring blocks agree."""
    return ".".join("#" if word.isdecimal() else word for word in line.row.path.split("."))


def first_path(entry: Run | Line) -> str:
    """Path of an entry's first layer."""
    return printable((entry.lines[0] if isinstance(entry, Run) else entry).row.path)


def last_path(entry: Run | Line) -> str:
    """Path of an entry's last layer."""
    return printable((entry.lines[-1] if isinstance(entry, Run) else entry).row.path)


def words(changes: Changes) -> str:
    """`kernel 11 → 7, stride 4 → 2`, with no-break spaces where a line should not end; `spaced` makes them plain."""
    return ", ".join(_words(field, before, after) for field, before, after in changes)


def _words(field: str, before: Any, after: Any) -> str:
    if field in ("reads", "after"):
        return f"{field} {printable(after)} instead of {printable(before)}"
    if field in ("kind", "function"):
        return f"{printable(str(before))} →{NO_BREAK}{printable(str(after))}"
    return f"{field} {_value(before)} → {_value(after)}".replace(" ", NO_BREAK)


def spaced(text: str) -> str:
    """Text with plain spaces."""
    return text.replace(NO_BREAK, " ")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "×".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return printable(text if len(text) <= 24 else f"{text[:23]}…")
