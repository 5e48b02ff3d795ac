"""From members of a space to others: neighbours, mutation and crossover, the same for all spaces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from convsmith.search.spaces.space import Genome, Space
from convsmith.spec.errors import SpaceError


def neighbours(genome: Genome) -> Iterator[Genome]:
    """The members that differ in one choice. What only this choice brings in has its first option."""
    space = genome.space
    for i, there in enumerate(space.there(genome.at)):
        for option in range(len(space.choices[i].options)):
            if there and option != genome.at[i]:
                yield settled(space, [*genome.at[:i], option, *genome.at[i + 1 :]])


def mutated(genome: Genome, random: np.random.Generator) -> Genome:
    """One of the neighbours, each as likely. Raises SpaceError in a space of one member."""
    others = list(neighbours(genome))
    if not others:
        raise SpaceError(f"space {genome.space.name!r} has one member alone, which cannot be changed")
    return others[int(random.integers(len(others)))]


def crossed(one: Genome, other: Genome, random: np.random.Generator) -> Genome:
    """Each choice from one of two parents of one space, both as likely where it is there in both."""
    space = one.space
    if other.space is not space:
        raise SpaceError(f"parents of {one.space.name!r} and {other.space.name!r} cannot be crossed")
    at = [0] * len(space.choices)
    parents = (one.at, space.there(one.at)), (other.at, space.there(other.at))
    for i, choice in enumerate(space.choices):
        if choice.when is not None and not space.there(at)[i]:
            continue
        known = [option[i] for option, there in parents if there[i]]
        at[i] = known[int(random.integers(len(known)))]
    return Genome(space, tuple(at))


def settled(space: Space, at: Sequence[int]) -> Genome:
    """The member that takes these options, where what is not there is 0."""
    return Genome(space, tuple(i if there else 0 for i, there in zip(at, space.there(at), strict=True)))
