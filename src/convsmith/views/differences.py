"""Where the zoo and the papers part, paper by paper: departures of the form, printed figures that are not ours."""

from __future__ import annotations

from collections.abc import Iterable

from convsmith.views.card import UNITS
from convsmith.views.figures import counted
from convsmith.zoo import PAPERS, VARIANTS
from convsmith.zoo.cards import Card, Figure, card

HEAD = """\
<!-- Made by `make docs` from the zoo's cards (convsmith.views.differences): change those, not this file. -->

# Where we and the papers part

For each paper the variants whose form departs from it, as the library builds them or because the paper leaves something
open, then the figures that it prints and we do not count, with the reason. Whatever else the cards hold of printed
parameters, multiply-adds and depths ([figures.csv](../src/convsmith/zoo/figures.csv)) agrees with ours, rounded to the
last digit printed. [counting.md](counting.md) says what we count, and how other programs count the same networks.
"""


def differences() -> str:
    """All of it as Markdown, in the order of history. A paper of which there is nothing to say is left out.

    Every count in it is made here, so that the text cannot say another number than `convsmith show`.
    """
    sections = (_section([card(name) for name in VARIANTS.of(paper)]) for paper in PAPERS)
    return "\n".join([HEAD, *(section for section in sections if section)])


def _section(cards: list[Card]) -> str:
    notes = [*_shared(cards, "departs"), *_shared(cards, "remarks")]
    rows = [(found, figure) for found in cards for figure in found.figures if figure.reason]
    if not notes and not rows:
        return ""
    papers = dict.fromkeys(found.paper for found in cards)
    lines = [f"## {cards[0].family}", "", *(f"{_plain(paper)}." for paper in papers), ""]
    lines += [*notes, ""] if notes else []
    if rows:
        lines += ["| variant | printed | ours | where | why |", "| --- | ---: | ---: | --- | --- |"]
        lines += [*(_row(found, figure) for found, figure in rows), ""]
    return "\n".join(lines)


def _shared(cards: list[Card], field: str) -> list[str]:
    """A line for each departure or remark, behind the variants that have it."""
    having: dict[str, list[str]] = {}
    for found in cards:
        said = getattr(found, field)
        for words in (said,) if isinstance(said, str) else said:
            if words:
                having.setdefault(words, []).append(found.name)
    return [f"- {_names(names)}: {_plain(words)}" for words, names in having.items()]


def _row(found: Card, figure: Figure) -> str:
    where = figure.source + (f", {figure.side} px" if figure.side else "")
    ours = counted(found.name, figure)
    cells = (
        f"`{found.name}`", f"{figure.printed} {UNITS[figure.quantity]}", f"{ours:,}", _plain(where),
        _plain(figure.reason),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _plain(text: str) -> str:
    """Text in which nothing is markup; a line end would end a list's item or a table's row."""
    return " ".join(text.split()).replace("*", r"\*").replace("|", r"\|").replace("<", "&lt;")


def main() -> None:
    """Print the file, for `make docs`."""
    print(differences(), end="")


if __name__ == "__main__":
    main()
