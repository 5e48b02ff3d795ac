"""Networks beside each other: totals, what they hold and see, and how well they are known to classify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convsmith.spec.errors import SpecError, UnknownName, nearest
from convsmith.spec.signature import positive_size
from convsmith.spec.trace import Graph
from convsmith.views.cost import cost
from convsmith.views.figures import depth
from convsmith.views.memory import inference_memory, training_memory
from convsmith.views.printable import printable
from convsmith.views.receptive_field import receptive_field
from convsmith.views.sheet import Column, Sheet
from convsmith.zoo.cards import Card

HEADS = {
    "name": "network", "year": "year", "side": "input", "params": "params", "macs": "MACs", "ops": "ops",
    "activations": "all outputs", "conv_activations": "conv outputs", "in_place_activations": "in place",
    "weight_bytes": "weight bytes", "inference_bytes": "inference peak", "training_bytes": "training peak",
    "receptive_field": "field", "depth": "depth", "top1": "top-1 %",
}  # fmt: skip
"""Columns by their name in JSON, with their heading."""

RATIOS = ("params", "macs", "activations", "inference_bytes", "training_bytes")
"""What is also given as a multiple of the first network's."""

USUAL = (
    "name", "year", "side", "params", "macs", "activations", "inference_bytes", "receptive_field", "depth", "top1",
)  # fmt: skip
"""Columns of a line for people; a file for programs has them all."""

ONE_CROP = "single crop"

RULE = (
    "MACs: one multiply-add = 1. Outputs: elements, in place without element-wise layers. Peaks: bytes in float32, SGD."
)


@dataclass(frozen=True)
class Totals:
    """One network. MACs, ops, activations and peaks are of `batch` images; sizes in pixels, `top1` 0..1.

    `depth` counts layers with weights on the longest way. `provenance`, `family`, `year` and `top1*` are None for a
    network without a card, both peaks for one with operations of which it is not known what they hold. `top1_protocol`
    is how a paper tested ("10 crops"); trained weights are tested on one crop.
    """

    name: str
    provenance: str | None
    family: str | None
    year: int | None
    side: int | tuple[int, int]
    batch: int
    params: int
    macs: int
    ops: int
    activations: int
    conv_activations: int
    in_place_activations: int
    weight_bytes: int
    inference_bytes: int | None
    training_bytes: int | None
    receptive_field: int | tuple[int, int]
    depth: int
    top1: float | None
    top1_side: int | None
    top1_source: str | None
    top1_protocol: str | None

    def plain(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}


def totals(graph: Graph, card: Card | None = None, *, batch: int = 1) -> Totals:
    """What `graph` costs, holds and sees; `card` adds its year and the best published top-1.

    Raises SpecError for a batch below 1.
    """
    positive_size("batch", batch)
    total, best = cost(graph), card.best if card else None
    inference, training = _peaks(graph, batch)
    return Totals(
        name=graph.name or "network",
        provenance=card.provenance if card else None,
        family=card.family if card else None,
        year=card.year if card else None,
        side=_square(graph.input.rows, graph.input.cols),
        batch=batch,
        params=total.params,
        macs=batch * total.macs,
        ops=batch * total.ops,
        activations=batch * total.activations,
        conv_activations=batch * total.conv_activations,
        in_place_activations=batch * total.in_place_activations,
        weight_bytes=total.weight_bytes,
        inference_bytes=inference,
        training_bytes=training,
        receptive_field=_square(*receptive_field(graph)[graph.output].size),
        depth=depth(graph),
        top1=best.top1 if best else None,
        top1_side=best.side if best else None,
        top1_source=best.source if best else None,
        top1_protocol=_protocol(card) if card and best else None,
    )


def ranked(networks: Sequence[Totals], column: str) -> list[Totals]:
    """Ascending by a column of `HEADS`; those of which it is not known come first.

    Raises UnknownName for another column.
    """
    if column not in HEADS:
        raise UnknownName(f"nothing is sorted by {column!r}{nearest(column, HEADS)} (there are {', '.join(HEADS)})")

    def key(found: Totals) -> tuple[Any, ...]:
        value = getattr(found, column)
        return (False,) if value is None else (True, max(value) if isinstance(value, tuple) else value)

    return sorted(networks, key=key)


def ratios(networks: Sequence[Totals]) -> list[dict[str, float | None]]:
    """For each network, `RATIOS` as multiples of the first's; None where the first has nothing of it."""
    if not networks:
        raise SpecError("there is nothing to compare; name at least one network")
    first = networks[0]
    return [{column: _ratio(getattr(found, column), getattr(first, column)) for column in RATIOS} for found in networks]


def plain(networks: Sequence[Totals]) -> list[dict[str, Any]]:
    """Plain data of each, with its ratios to the first."""
    return [found.plain() | {"ratios": ratio} for found, ratio in zip(networks, ratios(networks), strict=True)]


def sheet(networks: Sequence[Totals]) -> Sheet:
    """One column a network, one line a quantity, as the course notes compare four; a ratio stands below its number.

    Raises SpecError without a network.
    """
    lines: list[tuple[Any, ...]] = []
    times = ratios(networks)
    for column, head in list(HEADS.items())[1:]:
        values = [getattr(found, column) for found in networks]
        if any(value is not None for value in values):
            lines.append((head, *(_cell(column, value) for value in values)))
        if column in RATIOS and len(networks) > 1:
            lines.append(("  × the first", *(_times(ratio[column]) for ratio in times)))
    heads = (Column("", number=False), *(Column(printable(found.name)) for found in networks))
    return Sheet(_title(networks), RULE, heads, tuple(lines), (), _notes(networks))


def wide_sheet(networks: Sequence[Totals], columns: Sequence[str] = USUAL, title: str = "") -> Sheet:
    """One line a network: for many of them, and for spreadsheets. Raises SpecError without a network."""
    ratios(networks)
    heads = tuple(Column(HEADS[column], number=column != "name") for column in columns)
    rows = tuple(tuple(_cell(column, getattr(found, column)) for column in columns) for found in networks)
    return Sheet(title or _title(networks), RULE, heads, rows, (), _notes(networks))


def _ratio(value: int | None, of: int | None) -> float | None:
    return value / of if value is not None and of else None


def _peaks(graph: Graph, batch: int) -> tuple[int | None, int | None]:
    """Of inference and of a training step; None for an imported network of which it is not known what torch keeps."""
    try:
        return inference_memory(graph).peak_bytes(batch), training_memory(graph, "momentum").peak_bytes(batch)
    except SpecError:
        return None, None


def _title(networks: Sequence[Totals]) -> str:
    count, batch = len(networks), networks[0].batch
    return f"{count} network{'s' * (count > 1)}" + (f", {batch} images at once" if batch > 1 else "")


def _notes(networks: Sequence[Totals]) -> tuple[str, ...]:
    elsewhere = [n for n in networks if n.top1_side is not None and n.top1_side != n.side]
    notes = [
        f"top-1 of {printable(n.name)} is for images of {n.top1_side} pixels, its cost for {_text(n.side)}"
        for n in elsewhere
    ]
    notes += [
        f"{printable(n.name)} has no peaks, as it is not known what torch keeps of all its operations"
        for n in networks
        if n.training_bytes is None
    ]
    notes += [
        f"top-1 of {printable(n.name)} is for {n.top1_protocol}, its cost for one"
        for n in networks
        if n.top1_protocol not in (None, ONE_CROP)
    ]
    return tuple(notes)


def _protocol(card: Card) -> str:
    """How the best top-1 was tested."""
    best = card.best
    if best is None or any(found.source == best.source for found in card.weights):
        return ONE_CROP
    return next(figure.protocol for figure in card.figures if best[::2] == (figure.accuracy, figure.source))


def _cell(column: str, value: Any) -> Any:
    if value is None:
        return None
    if column == "name":
        return printable(value)
    if column == "top1":
        return f"{value:.2%}"[:-1]
    if column in ("year", "side", "receptive_field", "depth"):
        return _text(value)
    return value


def _times(value: float | None) -> str | None:
    return None if value is None else f"{value:.3g}"


def _text(value: Any) -> str:
    return "×".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _square(rows: Any, cols: Any) -> Any:
    return rows if rows == cols else (rows, cols)
