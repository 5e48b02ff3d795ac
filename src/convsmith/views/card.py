"""A variant's card in a few lines: its paper, what is published of its accuracy, trained weights, departures."""

from __future__ import annotations

from convsmith.zoo.cards import Card, Figure, Weights


def card_facts(card: Card) -> dict[str, str]:
    """At most five facts, a line each, by what they are about; what is not known is left out."""
    differing = [figure for figure in card.figures if figure.reason]
    facts = {
        "paper": card.paper,
        "published": _published(card),
        "weights": _weights(card.weights),
        "printed otherwise": "; ".join(map(otherwise, _first_of_each(differing))),
        "departs from the paper in": card.departs,
    }
    return {about: fact for about, fact in facts.items() if fact}


def otherwise(figure: Figure) -> str:
    """A printed count that is not ours, and why: `3.8e9 MACs (Table 1): cut, not rounded`."""
    where = figure.source + (f", {figure.side} px" if figure.side else "")
    return f"{figure.printed} {UNITS[figure.quantity]} ({where}): {figure.reason}"


UNITS = {"params": "parameters", "macs": "MACs", "conv_activations": "activations", "depth": "layers"}


def _published(card: Card) -> str:
    """The accuracies at the variant's own input size, those of one table together."""
    tables: dict[tuple[str, str, str], list[str]] = {}
    for figure in card.figures:
        if figure.accuracy is not None and figure.side is None:
            what = f"{figure.quantity.replace('top', 'top-').replace('_', ' ')} {figure.printed} %"
            tables.setdefault((figure.dataset, figure.protocol, figure.source), []).append(what)
    return "; ".join(f"{', '.join(found)} on {data} ({how}; {source})" for (data, how, source), found in tables.items())


def _weights(weights: tuple[Weights, ...]) -> str:
    """The best three by top-1, then how many more there are."""
    ranked = sorted(weights, key=lambda found: -(found.top1 or 0))
    words = [
        f"{found.source}" + (f" ({found.top1:.2%} top-1 at {found.side} px)" if found.top1 is not None else "")
        for found in ranked[:3]
    ]
    return ", ".join(words) + (f" and {len(ranked) - 3} more" if len(ranked) > 3 else "")


def _first_of_each(figures: list[Figure]) -> list[Figure]:
    """For a line that stays short: the first of each quantity, at the variant's own input size before others."""
    found: dict[str, Figure] = {}
    for figure in sorted(figures, key=lambda figure: figure.side is not None):
        found.setdefault(figure.quantity, figure)
    return list(found.values())
