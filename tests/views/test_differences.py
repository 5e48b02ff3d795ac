"""docs/differences.md is what the cards say, and says it of every departure and every figure that is not ours."""

from __future__ import annotations

from pathlib import Path

from convsmith import names
from convsmith.views.differences import differences
from convsmith.views.figures import counted
from convsmith.zoo import PAPERS
from convsmith.zoo.cards import card

FILE = Path(__file__).parents[2] / "docs/differences.md"


def test_the_committed_file_is_what_is_generated() -> None:
    assert FILE.read_text(encoding="utf-8") == differences(), "run `make docs`"


def test_every_departure_and_every_differing_figure_is_in_it_once() -> None:
    text = differences()
    lines = text.splitlines()
    for name in names():
        found = card(name)
        said = [line for line in lines if line.startswith("- ") and f"`{name}`" in line.partition(": ")[0]]
        assert len(said) == bool(found.departs) + len(found.remarks), name
        differing = [figure for figure in found.figures if figure.reason]
        rows = [line for line in lines if line.startswith(f"| `{name}` |")]
        assert len(rows) == len(differing), name
        for row, figure in zip(rows, differing, strict=True):
            assert f"| {figure.printed} " in row
            assert f"| {counted(name, figure):,} |" in row


def test_papers_come_in_the_order_of_history() -> None:
    heads = [line.removeprefix("## ") for line in differences().splitlines() if line.startswith("## ")]
    assert heads == [paper for paper in PAPERS if paper in heads]
    assert len(heads) > 15


def test_every_row_of_a_table_has_its_five_cells() -> None:
    rows = [line for line in differences().splitlines() if line.startswith("| ")]
    assert {row.count("|") for row in rows} == {6}
