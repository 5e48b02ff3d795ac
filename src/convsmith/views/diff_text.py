"""A diff for a terminal, 120 columns wide at most: what it comes to, layer by layer, and the totals of both."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from convsmith.spec.trace import Graph
from convsmith.views.diff import Diff, Line, Status, Summary
from convsmith.views.diff_outline import Repeat, Run, first_path, last_path, outline, spaced, words
from convsmith.views.printable import printable
from convsmith.views.units import short

WIDTH = 120
MARKS: dict[Status, str] = {"equal": "=", "resized": "=", "changed": "~", "moved": "^", "added": "+", "removed": "-"}
NAMES = {
    "params": "parameters", "macs": "MACs", "ops": "ops", "activations": "activations, all outputs",
    "conv_activations": "activations, conv outputs", "in_place_activations": "activations, in place",
    "weight_bytes": "weight bytes", "depth": "depth",
}  # fmt: skip
PATH, OUT, COUNT = 30, 25, 9
"""Columns of paths, output sizes and differences of counts."""

MOST_PLACES = 4


def text(found: Diff) -> str:
    """All of it. `=` alike, `~` changed, `^` moved, `+` added, `-` removed."""
    parts = [_head(found)]
    if found.same:
        return "\n".join([*parts, "", _no_difference(found), "", *_totals(found)])
    parts += ["", *(line for summary in found.summary for line in _summary(summary))] if found.summary else []
    parts += ["", _columns(), "─" * WIDTH, *_body(found), "─" * WIDTH, "", *_totals(found)]
    return "\n".join(parts)


def title(graph: Graph) -> str:
    """`resnet50 at 3×224×224`."""
    return f"{printable(graph.name) or 'network'} at {graph.input}"


def places(paths: tuple[str, ...]) -> str:
    """The first few paths, and how many more there are."""
    shown = [printable(path) for path in paths[:MOST_PLACES]]
    rest = len(paths) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def sentence(summary: Summary) -> str:
    """`conv1: stride 2 → 1, 2 times: layer2.0.conv1, layer3.0.conv1`."""
    status, word, changes, paths = summary
    what = words(changes) if changes else status
    said = f"{'moved, ' * (status == 'moved')}{what}"
    if len(paths) == 1:
        path, name = printable(paths[0]), paths[0].rpartition(".")[2]
        kind = printable(word[len(name) :]) if word.startswith(name) else f" ({printable(word)})"
        return f"{path}{kind}: {said}"
    return f"{printable(word)}: {said}, {len(paths)} times: {places(paths)}"


def _head(found: Diff) -> str:
    return "\n".join(_wrapped(f"from {title(found.a)} to {title(found.b)}", ""))


def _no_difference(found: Diff) -> str:
    named = f"; {found.renamed} of them by other paths" if found.renamed else ""
    return f"no difference: {len(found.lines)} layers, alike in kind, settings, wiring and size{named}"


def _summary(summary: Summary) -> Iterator[str]:
    yield from _wrapped(sentence(summary), f"{MARKS[summary.status]} ")


def _wrapped(line: str, mark: str, width: int = WIDTH) -> list[str]:
    return [spaced(part) for part in wrap(line, width, initial_indent=mark, subsequent_indent="    ")]


def _columns() -> str:
    head = f"  {'layer':{PATH}}  {'change':{_room()}}  {'output':{OUT}}  {'params':>{COUNT}}  {'MACs':>{COUNT}}"
    return head.rstrip()


def _room() -> int:
    return WIDTH - 2 - PATH - OUT - 2 * COUNT - 8


def _body(found: Diff) -> Iterator[str]:
    for entry in outline(found):
        if isinstance(entry, Repeat):
            for inner in entry.entries:
                yield from _entry(inner)
            yield from _wrapped(f"the same {entry.times} times in all, to {entry.last}", "  × ")
        else:
            yield from _entry(entry)


def _entry(entry: Run | Line) -> Iterator[str]:
    if isinstance(entry, Run):
        first, last = first_path(entry), last_path(entry)
        span = first if first == last else f"{first} to {last}"
        room = WIDTH - 2 * COUNT - 4
        said = _wrapped(f"{span}: {entry.words}", "= ", room)
        yield f"{said[0]:{room}}  {_delta(entry, 'params'):>{COUNT}}  {_delta(entry, 'macs'):>{COUNT}}".rstrip()
        yield from said[1:]
        return
    path = entry.row.path if not entry.renamed or entry.a is None else f"{entry.a.path} → {entry.row.path}"
    what = words(entry.changes) if entry.changes else f"{entry.status}: {entry.row.kind}"
    left = wrap(printable(path), PATH) or [""]
    middle = wrap("moved, " * (entry.status == "moved") + what, _room()) or [""]
    right = wrap(_out(entry), OUT)
    counts = _delta(entry, "params"), _delta(entry, "macs")
    for index in range(max(len(left), len(middle), len(right))):
        cells = [column[index] if index < len(column) else "" for column in (left, middle, right)]
        numbers = counts if not index else ("", "")
        mark = MARKS[entry.status] if not index else " "
        line = f"{mark} {cells[0]:{PATH}}  {cells[1]:{_room()}}  {cells[2]:{OUT}}"
        yield spaced(f"{line}  {numbers[0]:>{COUNT}}  {numbers[1]:>{COUNT}}".rstrip())


def _out(line: Line) -> str:
    sizes = [str(row.out) for row in (line.a, line.b) if row is not None]
    return sizes[0] if len(set(sizes)) == 1 else " → ".join(sizes)


def _delta(entry: Run | Line, field: str) -> str:
    lines = entry.lines if isinstance(entry, Run) else (entry,)
    before, after = (
        sum(getattr(row.facts, field) for row in rows if row) for rows in zip(*((x.a, x.b) for x in lines), strict=True)
    )
    return "" if before == after else signed(after - before)


def signed(count: int) -> str:
    """`+1.2 M`, `-300`."""
    return f"{'+' if count > 0 else '-'}{short(abs(count))}"


def _totals(found: Diff) -> Iterator[str]:
    rows = [(NAMES[name], before, after) for name, before, after in found.totals]
    wide = max(len(f"{max(before, after):,}") for _, before, after in rows)
    label = max(map(len, NAMES.values()))
    for name, before, after in rows:
        times = "" if before == after else f"× {after / before:.4g}" if before else ""
        yield f"{name:{label}}  {before:>{wide},} → {after:>{wide},}  {times}".rstrip()
    yield ", ".join(f"{count} {status}" for status, count in found.counts.items() if count)
