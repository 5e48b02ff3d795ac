"""Weights that the members of a space share: a member's are slices of the largest there are (Yu et al. 2020, BigNAS).

Members agree on names, as paths follow from structure. Under one name a weight is shared by kind: pointwise, depthwise
and other convolutions are weights of their own, so a block that is a convolution in one member and an inverted
bottleneck in another has one of each. Channels are the first ones, and a smaller kernel is the middle of a larger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import prod, sqrt

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convsmith.nn import Net, build
from convsmith.search.searchers.feasible import Feasible
from convsmith.search.spaces import Genome

Shape = tuple[int, ...]

DRAWN = 200
"""Members that are looked at to see how large the shared weights must be, beside one for each option of each choice."""
KEPT = 64
"""Members whose modules are kept ready."""


class Shared(nn.Module):
    """Shared weights, large enough for `members`; those that need larger ones cannot run. Drawn by `seed`: He et al.
    2015 for what is multiplied, 1 for scales, 0 for shifts."""

    def __init__(self, members: Iterable[Genome], seed: int = 0) -> None:
        super().__init__()
        shapes: dict[str, Shape] = {}
        for genome in members:
            for path, weight in self.net(genome).named_parameters():
                key = _key(path, weight)
                known = shapes.get(key, (0,) * weight.ndim)
                shapes[key] = tuple(map(max, known, weight.shape))
        generator = torch.Generator().manual_seed(seed)
        self.weights = nn.ParameterDict({key: _begun(key, shape, generator) for key, shape in sorted(shapes.items())})

    @staticmethod
    def net(genome: Genome) -> Net:
        """The member's modules, whose own weights do not matter; their normalisations' statistics are its own."""
        return _net(genome)

    def fits(self, genome: Genome) -> bool:
        """Whether the shared weights hold the member."""
        return all(
            (key := _key(path, weight)) in self.weights
            and all(size <= most for size, most in zip(weight.shape, self.weights[key].shape, strict=True))
            for path, weight in self.net(genome).named_parameters()
        )

    def of(self, genome: Genome) -> dict[str, Tensor]:
        """The member's weights by name: views, through which gradients reach the shared ones."""
        return {
            path: _slice(self.weights[_key(path, weight)], weight.shape)
            for path, weight in self.net(genome).named_parameters()
        }

    def forward(self, genome: Genome, images: Tensor) -> Tensor:
        """The member's logits, (N, classes); in its modules' present mode."""
        out = functional_call(self.net(genome), self.of(genome), (images,))
        logits: Tensor = out["logits"] if isinstance(out, dict) else out
        return logits


def looked_at(feasible: Feasible, seed: int) -> Iterator[Genome]:
    """Members that tell how large shared weights must be: many by chance, and each option of each choice."""
    import numpy as np

    random, space = np.random.default_rng(seed), feasible.space
    for _ in range(DRAWN):
        yield feasible.draw(random)
    for i, choice in enumerate(space.choices):
        for option in range(len(choice.options)):
            at = list(feasible.draw(random).at)
            at[i] = option
            there = space.there(at)
            changed = Genome(space, tuple(value if here else 0 for value, here in zip(at, there, strict=True)))
            if feasible.allows(changed):
                yield changed


@lru_cache(maxsize=KEPT)
def _net(genome: Genome) -> Net:
    return build(genome.network, seed=0)


def _key(path: str, weight: Tensor) -> str:
    """The name of a shared weight; a ParameterDict's keys have no dots."""
    kind = "vector"
    if weight.ndim > 2:
        pointwise, depthwise = prod(weight.shape[2:]) == 1, weight.shape[1] == 1 and weight.shape[0] > 1
        kind = "pointwise" if pointwise else "depthwise" if depthwise else "spatial"
    elif weight.ndim == 2:
        kind = "linear"
    return f"{path} {kind}".replace(".", "/")


def _begun(key: str, shape: Shape, generator: torch.Generator) -> nn.Parameter:
    if len(shape) > 1:
        return nn.Parameter(torch.randn(shape, generator=generator) * sqrt(2 / prod(shape[1:])))
    return nn.Parameter(torch.ones(shape) if "/weight" in key else torch.zeros(shape))


def _slice(weight: Tensor, shape: Shape) -> Tensor:
    """The first channels, and the middle of what has rows and columns."""
    for axis, size in enumerate(shape):
        start = 0 if axis < 2 else (weight.shape[axis] - size) // 2
        weight = weight.narrow(axis, start, size)
    return weight
