from collections.abc import Callable

import numpy as np
import pytest

from convsmith.search.spaces import SPACES, Choice, Genome, Space, crossed, mutated, neighbours, space
from convsmith.spec import Conv, Network
from convsmith.spec.errors import SpaceError


def tree() -> Space:
    choices = (
        Choice("kind", ("a", "b", "c")),
        Choice("depth", (1, 2, 3), when=("kind", ("a", "b"))),
        Choice("groups", (1, 2), when=("kind", ("b",))),
        Choice("norm", ("x", "y"), when=("groups", (2,))),
    )
    return Space("tree", "a test's", choices, lambda _: Network(Conv(1), 8), {"side": 8})


ALL = {name: lambda name=name: space(name, side=32) for name in SPACES} | {"tree": tree}  # type: ignore[misc]
each_space = pytest.mark.parametrize("make", ALL.values(), ids=ALL)


def is_member(genome: Genome) -> bool:
    return genome.space.genome(genome.settings) == genome


def differences(one: Genome, other: Genome) -> list[str]:
    """Choices that are there in both and differ."""
    mine, theirs = one.settings, other.settings
    return [name for name in mine if name in theirs and mine[name] != theirs[name]]


@each_space
def test_neighbours_differ_in_one_choice(make: Callable[[], Space]) -> None:
    for genome in make().draw(5, seed=0):
        found = list(neighbours(genome))
        there = genome.space.there(genome.at)
        options = [len(c.options) for c, here in zip(genome.space.choices, there, strict=True) if here]
        assert len(found) == len(set(found)) == sum(n - 1 for n in options)
        for other in found:
            assert is_member(other)
            assert len(differences(genome, other)) == 1


def test_what_a_choice_brings_in_has_its_first_option() -> None:
    found = tree()
    near = [other.settings for other in neighbours(found.genome({"kind": "c"}))]
    assert near == [{"kind": "a", "depth": 1}, {"kind": "b", "depth": 1, "groups": 1}]


def test_neighbours_are_mutual_where_nothing_is_brought_in() -> None:
    genome = space("cifar_mb").draw(1, seed=4)[0]
    assert all(genome in neighbours(other) for other in neighbours(genome))


@each_space
def test_crossover_stays_inside_and_mixes(make: Callable[[], Space]) -> None:
    found, random = make(), np.random.default_rng(0)
    for one, other in zip(found.draw(30, seed=1), found.draw(30, seed=2), strict=True):
        child = crossed(one, other, random)
        assert is_member(child)
        for name, value in child.settings.items():
            assert value in (one.settings.get(name), other.settings.get(name))


def test_crossover_takes_from_both() -> None:
    found, random = space("mnas"), np.random.default_rng(0)
    one, other = found.draw(2, seed=3)
    apart = differences(one, other)
    children = [crossed(one, other, random) for _ in range(200)]
    for name in apart:
        share = sum(child.settings[name] == one.settings[name] for child in children) / 200
        assert 0.3 < share < 0.7  # one in 10^8 that a fair coin falls outside


def test_crossing_a_member_with_itself_changes_nothing() -> None:
    found, random = tree(), np.random.default_rng(0)
    for genome in found.members():
        assert crossed(genome, genome, random) == genome


def test_mutation_is_a_neighbour_and_repeats_by_seed() -> None:
    genome = space("nas_cell").draw(1, seed=5)[0]
    first = [mutated(genome, np.random.default_rng(7)) for _ in range(2)]
    assert first[0] == first[1]
    assert first[0] in list(neighbours(genome))


def test_refusals() -> None:
    alone = Space("alone", "a test's", (Choice("a", (1,)),), lambda _: Network(Conv(1), 8))
    genome = alone.draw(1)[0]
    with pytest.raises(SpaceError, match="space 'alone' has one member alone, which cannot be changed"):
        mutated(genome, np.random.default_rng(0))
    with pytest.raises(SpaceError, match="parents of 'alone' and 'tree' cannot be crossed"):
        crossed(genome, tree().draw(1)[0], np.random.default_rng(0))
