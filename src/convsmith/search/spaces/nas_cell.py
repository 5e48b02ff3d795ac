"""`nas_cell`: the space of NASNet, a normal and a reduction cell of five combinations each, stacked.

Zoph et al. 2018, section 3.1 and Fig. 3 (arXiv:1707.07012): a combination takes two of the cell's inputs and earlier
combinations, an operation for each, and adds; what nothing reads is concatenated. The operations are the eight that the
zoo builds (zoo/genotype.py). Swapping a combination's two sides gives the same network and counts as another member.
"""

from __future__ import annotations

from functools import partial

from convsmith.search.spaces.choice import Choice, Settings, Value
from convsmith.search.spaces.space import Space
from convsmith.spec.network import Network
from convsmith.zoo.genotype import OPERATIONS, Genotype, Source
from convsmith.zoo.nasnet import nasnet

ABOUT = (
    "Zoph et al. 2018, Learning transferable architectures (arXiv:1707.07012), section 3.1: cells of five "
    "combinations, eight of the paper's thirteen operations; cells a stage and width as choices of ours"
)
COMBINATIONS = 5
SIDES = ("left", "right")
SMALL = 64
"""Images up to this side have CIFAR's stem."""


def nas_cell(*, side: int = 32, channels: int = 3, classes: int = 10) -> Space:
    """Choices: cells a stage, width of the first, and of each cell's combinations two operations and their sources."""
    choices = [Choice("cells", (1, 2, 3, 4, 6)), Choice("width", (8, 12, 16, 24, 32, 44))]
    for cell in ("normal", "reduction"):
        for i in range(COMBINATIONS):
            for end in SIDES:
                choices.append(Choice(f"{cell}.{i}.{end}.op", tuple(OPERATIONS)))
                choices.append(Choice(f"{cell}.{i}.{end}.of", ("h", "before", *range(i))))
    images = {"side": side, "channels": channels, "classes": classes}
    return Space("nas_cell", ABOUT, tuple(choices), partial(_network, side, channels, classes), images)


def genotype(cell: str, settings: Settings) -> Genotype:
    """The cell that these settings describe; what no combination reads comes out."""

    def end(i: int, side: str) -> tuple[str, Source]:
        return str(settings[f"{cell}.{i}.{side}.op"]), _source(settings[f"{cell}.{i}.{side}.of"])

    pairs = tuple((end(i, "left"), end(i, "right")) for i in range(COMBINATIONS))
    read = {source for pair in pairs for _, source in pair}
    sources: tuple[Source, ...] = ("h", "before", *range(COMBINATIONS))
    return Genotype(pairs, tuple(source for source in sources if source not in read))


def _source(value: Value) -> Source:
    if value == "h":
        return "h"
    return "before" if value == "before" else int(value)


def _network(side: int, channels: int, classes: int, settings: Settings) -> Network:
    normal, reduction = genotype("normal", settings), genotype("reduction", settings)
    small, width = side <= SMALL, int(settings["width"])
    stem_cells = 0 if small else 2
    body = nasnet(
        classes, int(settings["cells"]), 4 * len(normal.out) * (width << stem_cells), 3 * width if small else 32,
        stem_cells=stem_cells, rate=0.0, eps=1e-5, momentum=0.1, normal=normal, reduction=reduction,
    )  # fmt: skip
    return Network(body, side, channels, classes, "nas_cell", "own", "he_fan_in")
