"""Neighbours that are equal, or whose numbers rise in equal steps, as a loop."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from convsmith.nn.eject.layout import Arg, Call, Each, Rate, Text, flat, quoted, same

LEAST = 3
"""Fewer are written out."""


def compact(items: Sequence[Any], names: Sequence[str] = ()) -> list[Any]:
    """The items with runs as `Each`; with names, pairs (name, item) of which those of a run have a name that counts."""
    out: list[Any] = []
    at = 0
    while at < len(items):
        end = _end(items, at, names)
        if end - at >= LEAST:
            run = _each(items[at:end], names[at] if names else "")
            out.append(("", run) if names else run)
            at = end
        else:
            out.append((names[at], items[at]) if names else items[at])
            at += 1
    return out


def _end(items: Sequence[Any], at: int, names: Sequence[str]) -> int:
    """The first item after `at` that does not go on as the second went on from the first."""
    if at + 1 >= len(items) or not isinstance(items[at], Call):
        return at + 1
    steps = _steps(items[at], items[at + 1])
    if steps is None or (names and not _follows(names[at], names[at + 1])):
        return at + 1
    end = at + 2
    while end < len(items) and _steps(items[end - 1], items[end]) == steps:
        if names and not _follows(names[end - 1], names[end]):
            break
        end += 1
    return end


def _steps(a: Any, b: Any) -> tuple[int, ...] | None:
    """How far each argument rises from one call to the next; None if they differ in more."""
    if not (isinstance(a, Call) and isinstance(b, Call)) or a.function != b.function or len(a.args) != len(b.args):
        return None
    found = []
    for x, y in zip(a.args, b.args, strict=True):
        step = _step(x, y)
        if step is None:
            return None
        found.append(step)
    return tuple(found)


def _step(a: Arg, b: Arg) -> int | None:
    if a.name != b.name:
        return None
    if isinstance(a.value, Call) or isinstance(b.value, Call):
        return 0 if flat(a.value) == flat(b.value) else None
    if isinstance(a.value, Rate | float) and isinstance(b.value, Rate | float):
        return _rate_step(a.value, b.value)
    if same(a.value, b.value):
        return 0
    if type(a.value) is int and type(b.value) is int:
        return b.value - a.value
    return None


def _rate_step(a: float, b: float) -> int | None:
    if a == b:
        return 0
    if isinstance(a, Rate) and isinstance(b, Rate) and (a.top, a.steps) == (b.top, b.steps):
        return b.step - a.step
    return None


def _each(items: Sequence[Call], name: str) -> Each:
    first = items[0]
    steps = _steps(first, items[1]) or ()
    rates = [arg.value for arg, step in zip(first.args, steps, strict=True) if step and isinstance(arg.value, Rate)]
    start = 0
    if rates and sum(map(bool, steps)) == 1 and not name and steps[first_of(steps)] == 1:
        start = rates[0].step  # the loop counts the rate's own steps
    args = tuple(
        Arg(arg.name, Text(_moving(arg.value, step, start)), ...) if step else arg
        for arg, step in zip(first.args, steps, strict=True)
    )
    moving = any(steps) or bool(name)
    span = f"{start}, {start + len(items)}" if start else f"{len(items)}"
    loop = f"for {'i' if moving else '_'} in range({span})"
    call = Call(first.function, args)
    if name:
        prefix, number = _counted(name)
        count = f"{{i + {number}}}" if number else "{i}"
        return Each(Text(f"(f{quoted(prefix + count)}, {flat(call)})"), loop)
    return Each(call, loop)


def first_of(steps: Sequence[int]) -> int:
    """The place of the first that is not 0."""
    return next(i for i, step in enumerate(steps) if step)


def _moving(value: Any, step: int, start: int) -> str:
    if isinstance(value, Rate):
        times = "i" if step == 1 else f"{step} * i"
        whole = value.step - start * step
        return value.text(f"({times} + {whole})" if whole else times if step == 1 else f"({times})")
    times = "i" if step == 1 else f"{abs(step)} * i"
    if step > 0:
        return f"{value} + {times}" if value else times
    return f"{value} - {'i' if step == -1 else times}"


def _counted(name: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.*?)(0|[1-9]\d*)", name)
    return (match[1], int(match[2])) if match and "{" not in name and "}" not in name else (name, -1)


def _follows(a: str, b: str) -> bool:
    (x, m), (y, n) = _counted(a), _counted(b)
    return x == y and m >= 0 and n == m + 1
