"""A named description with the input it was made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from convsmith.spec.errors import SpecError
from convsmith.spec.node import Node
from convsmith.spec.signature import Pair, positive_sides, positive_size

Provenance = Literal["paper", "torchvision", "timm", "own"]
PROVENANCES = ("paper", "torchvision", "timm", "own")


@dataclass(frozen=True)
class Network:
    """A description (`body`) with its default input and its labels.

    `provenance` says whose form of the architecture this is: the `paper`'s, `torchvision`'s, `timm`'s or your `own`.
    `init` names the weight initialisation that the architecture is trained from (see `convsmith.nn.init`).
    """

    body: Node
    side: int | Pair
    channels: int = 3
    classes: int = 1000
    name: str = "network"
    provenance: Provenance = "own"
    init: str = "torch"

    def __post_init__(self) -> None:
        positive_sides(self.side)
        positive_size("channels", self.channels)
        positive_size("classes", self.classes)
        if not isinstance(self.body, Node):
            raise SpecError(f"a network's body is a node, got {type(self.body).__name__}")
        if self.provenance not in PROVENANCES:
            raise SpecError(f"provenance is one of {', '.join(PROVENANCES)}, got {self.provenance!r}")
