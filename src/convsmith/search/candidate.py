"""What a race tries: a network, its costs, and the weights that it starts from if there are any.

A candidate is a row of plain data, from which its network is made again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

from convsmith.spec.network import Network
from convsmith.spec.trace import Graph, trace
from convsmith.views.cost import Cost, cost
from convsmith.views.memory import inference_memory


class Candidate(ABC):
    """Final subclasses are frozen dataclasses: a `Design` of the zoo scaled to the images, a `Drawn` member of a space,
    a `Trained` network with its weights, a `Quick` one for few minutes."""

    @abstractmethod
    def describe(self) -> Network:
        """Make the network's description."""

    @cached_property
    def network(self) -> Network:
        """The description. Raises as `describe`."""
        return self.describe()

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain data; `convsmith.search.candidates.from_json` is the inverse."""

    @property
    def name(self) -> str:
        """For people: `resnet8 w16 @16`."""
        return self.network.name

    @property
    def weights(self) -> str | None:
        """Where trained weights come from, as `--weights` takes it; None: it starts by chance."""
        return None

    @property
    def recipe(self) -> str | None:
        """The name of a recipe that it is made for; None: any will do."""
        return None

    @property
    def pixels(self) -> int:
        """Of a side of its images, which are square."""
        assert isinstance(self.network.side, int)
        return self.network.side

    @cached_property
    def graph(self) -> Graph:
        """The trace. Raises ShapeError where the side is too small for the network."""
        return trace(self.network)

    @cached_property
    def cost(self) -> Cost:
        """The cost of one image."""
        return cost(self.graph)

    @property
    def params(self) -> int:
        """Parameters."""
        return self.cost.params

    @property
    def macs(self) -> int:
        """MACs of one image."""
        return self.cost.macs

    @property
    def weight_bytes(self) -> int:
        """Bytes of parameters and buffers in float32."""
        return self.cost.weight_bytes

    @cached_property
    def memory_bytes(self) -> int:
        """Bytes alive at the peak of one image's forward pass."""
        return inference_memory(self.graph).peak_bytes()
