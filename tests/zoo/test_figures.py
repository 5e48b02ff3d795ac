"""Printed figures beside ours: without a reason they agree to the digits printed, with one they really differ."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import pytest

from convsmith import cost, spec, trace
from convsmith.spec import Graph
from convsmith.views.figures import counted, depth
from convsmith.zoo import names
from convsmith.zoo.cards import ACCURACIES, COUNTS, Figure, figures

COUNTED = [(name, figure) for name in names() for figure in figures().get(name, ()) if figure.quantity in COUNTS]
MEASURED = [(name, figure) for name in names() for figure in figures().get(name, ()) if figure.quantity in ACCURACIES]


def words(case: tuple[str, Figure]) -> str:
    name, figure = case
    return f"{name}-{figure.side or ''}-{figure.quantity}-{figure.printed}-{figure.source}"


def test_every_row_is_of_a_variant_and_of_a_known_quantity_and_stands_once() -> None:
    assert figures().keys() <= set(names())
    rows = [(name, figure) for name, found in figures().items() for figure in found]
    assert {figure.quantity for _, figure in rows} <= {*COUNTS, *ACCURACIES}
    keys = [(name, f.side, f.quantity, f.dataset, f.protocol, f.source) for name, f in rows]
    assert len(keys) == len(set(keys))
    assert all(figure.source for _, figure in rows)
    assert len(COUNTED) > 190
    assert len(MEASURED) > 100


@pytest.mark.parametrize("case", COUNTED, ids=words)
def test_a_figure_is_ours_or_says_why_not(case: tuple[str, Figure]) -> None:
    name, figure = case
    count = counted(name, figure)
    assert figure.agrees(count) is not bool(figure.reason), f"we count {count:,}"


def without(kind: str, column: str) -> Callable[[Graph], int]:
    """The total but for the layers of one category."""
    return lambda graph: sum(getattr(row, column) for row in cost(graph).layers if row.category != kind)


def statistics(graph: Graph) -> int:
    """Moving means and variances."""
    return sum(prod(shape) for key, shape in graph.weights.items() if "running" in key)


CUT = "cut, not rounded"
ARITHMETIC = {  # reasons that say what the paper counts
    "without normalisation's parameters": without("normalisation", "params"),
    "without the linear layers": without("linear", "macs"),
    "with normalisation's moving means and variances": lambda graph: cost(graph).params + statistics(graph),
}
EXPLAINED = [case for case in COUNTED if case[1].reason.split("; ")[0] in (CUT, *ARITHMETIC)]


@pytest.mark.parametrize("case", EXPLAINED, ids=words)
def test_a_reason_that_is_arithmetic_gives_the_figure(case: tuple[str, Figure]) -> None:
    name, figure = case
    first, *rest = figure.reason.split("; ")
    count = ARITHMETIC[first](trace(spec(name), figure.side)) if first in ARITHMETIC else counted(name, figure)
    assert figure.is_cut(count) if CUT in (first, *rest) else figure.agrees(count)


@pytest.mark.parametrize("case", MEASURED, ids=words)
def test_an_accuracy_says_of_which_images_and_how_and_is_a_share(case: tuple[str, Figure]) -> None:
    _, figure = case
    assert figure.dataset in ("ImageNet", "CIFAR-10", "CIFAR-100", "ILSVRC-2010", "ILSVRC-2014")
    assert figure.protocol
    assert not figure.reason
    assert figure.accuracy is not None
    assert 0.4 < figure.accuracy < 1


@pytest.mark.parametrize(("printed", "agree", "cut"), [
    ("3.8e9", (3_750_000_000, 3_849_999_999, 3_850_000_000), (3_800_000_000, 3_899_999_999)),
    ("60000", (60_000,), (60_000,)),
    ("37e9", (36_500_000_000, 37_400_000_000), (37_745_884_192,)),
    ("4.00e6", (3_995_000, 4_004_999), (4_009_999,)),
])  # fmt: skip
def test_agreement_is_to_the_last_digit_printed(printed: str, agree: tuple[int, ...], cut: tuple[int, ...]) -> None:
    figure = Figure("params", printed, None, "", "", "Table 1", "")
    assert all(figure.agrees(count) for count in agree)
    assert all(figure.is_cut(count) for count in cut)
    value = int(float(printed))
    step = agree[-1] - value
    assert not figure.agrees(value + 2 * step + 2)
    assert not figure.is_cut(value - 1)


def test_an_error_is_an_accuracy_the_other_way_round() -> None:
    said = [Figure(q, "22.85", None, "ImageNet", "10 crops", "Table 3", "") for q in ("top1_error", "top1", "params")]
    assert [figure.accuracy for figure in said] == [0.7715, 0.2285, None]


@pytest.mark.parametrize(("name", "layers"), {
    "lenet5": 5, "alexnet": 8, "googlenet": 22, "resnet152": 152, "densenet201": 201, "seresnet50": 50,
    "mobilenet_v2": 53,
}.items())  # fmt: skip
def test_depth_is_the_longest_way_and_leaves_gates_out(name: str, layers: int) -> None:
    assert depth(trace(name)) == layers
