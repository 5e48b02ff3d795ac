"""A space whose networks are chains of segments."""

from __future__ import annotations

from collections.abc import Sequence

from convsmith.search.spaces.choice import Choice, Settings
from convsmith.search.spaces.segment import Segment
from convsmith.search.spaces.space import Space
from convsmith.spec.combinators import Seq
from convsmith.spec.network import Network

SIDE = "side"
"""The choice of a resolution, where a space has it; else images are of the space's own side."""


def chain(
    name: str, about: str, choices: Sequence[Choice], segments: Sequence[Segment], *,
    side: int, channels: int, classes: int, init: str,
) -> Space:  # fmt: skip
    """The space of networks made of one segment after the other, each at the path that is its name."""

    def network(settings: Settings) -> Network:
        body = Seq(**{segment.name: segment.node(settings) for segment in segments})
        return Network(body, int(settings.get(SIDE, side)), channels, classes, name, "own", init)

    images = {"side": side, "channels": channels, "classes": classes}
    return Space(name, about, tuple(choices), network, images, tuple(segments))
