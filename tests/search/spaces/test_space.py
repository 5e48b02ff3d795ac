import json
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.search.spaces import SPACES, Choice, Genome, Space, space
from convsmith.spec import Conv, Network
from convsmith.spec.errors import SpaceError, UnknownName


def network(_: Any) -> Network:
    return Network(Conv(1), 8)


def small(*choices: Choice) -> Space:
    return Space("small", "a test's", choices, network, {"side": 8})


TREE = (
    Choice("kind", ("a", "b", "c")),
    Choice("depth", (1, 2, 3), when=("kind", ("a", "b"))),
    Choice("groups", (1, 2), when=("kind", ("b",))),
    Choice("wide", (True, False)),
    Choice("norm", ("x", "y"), when=("groups", (2,))),
)
# a: 3 depths; b: 3 depths * (groups 1, or 2 with two norms); c: 1; each twice, wide or not
TREE_SIZE = 2 * (3 + 3 * (1 + 2) + 1)


@st.composite
def forests(draw: st.DrawFn) -> Space:
    choices: list[Choice] = []
    for i in range(draw(st.integers(1, 5))):
        options = tuple(range(draw(st.integers(1, 4))))
        when = None
        if choices and draw(st.booleans()):
            parent = draw(st.sampled_from(choices))
            some = draw(st.sets(st.sampled_from(parent.options), min_size=1))
            when = (parent.name, tuple(some))
        choices.append(Choice(f"c{i}", options, when))
    return small(*choices)


def brute(found: Space) -> set[tuple[int, ...]]:
    """Every combination of options, with what is not there set to 0."""
    every = product(*(range(len(choice.options)) for choice in found.choices))
    return {tuple(i if there else 0 for i, there in zip(at, found.there(at), strict=True)) for at in every}


def test_the_members_of_a_tree_of_choices() -> None:
    found = small(*TREE)
    members = list(found.members())
    assert found.size == TREE_SIZE == len(members) == len(set(members))
    assert {"kind": "c", "wide": False} in [member.settings for member in members]
    assert {"kind": "b", "depth": 2, "groups": 2, "wide": True, "norm": "y"} in [m.settings for m in members]


@given(forests())
@settings(max_examples=60, deadline=None)
def test_counting_equals_enumeration(found: Space) -> None:
    members = [genome.at for genome in found.members()]
    assert len(members) == found.size
    assert set(members) == brute(found)


@given(forests(), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_draws_are_members(found: Space, seed: int) -> None:
    members = {genome.at for genome in found.members()}
    assert {genome.at for genome in found.draw(20, seed)} <= members


def test_each_member_is_drawn_as_often() -> None:
    found = small(*TREE)
    count = 200 * TREE_SIZE
    drawn = [genome.at for genome in found.draw(count, seed=1)]
    often = np.array([drawn.count(genome.at) for genome in found.members()])
    # chi-squared with 25 degrees of freedom: 52.6 is exceeded once in a thousand
    assert float((((often - 200) ** 2) / 200).sum()) < 52.6


@given(forests(), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_json_and_back(found: Space, seed: int) -> None:
    for genome in found.draw(5, seed):
        data = json.loads(json.dumps(genome.to_json()))
        again = found.from_json(data)
        assert again == genome
        assert again.sha256 == genome.sha256


HASHES = """
from convsmith.search.spaces import SPACES, space
for name in SPACES:
    found = space(name)
    print(found.sha256, *(genome.sha256 for genome in found.draw(5, seed=3)))
"""


def test_json_and_hash_are_the_same_in_every_process(python: Any) -> None:
    first, second = python(HASHES, PYTHONHASHSEED="1"), python(HASHES, PYTHONHASHSEED="2")
    assert first == second
    here = [(space(name), space(name).draw(5, seed=3)) for name in SPACES]
    lines = [" ".join([found.sha256, *(genome.sha256 for genome in genomes)]) for found, genomes in here]
    assert first.splitlines() == lines


def test_spaces_that_differ_have_another_hash() -> None:
    assert small(*TREE).sha256 == small(*TREE).sha256
    assert small(*TREE).sha256 != small(*TREE[:4]).sha256
    assert space("mnas").sha256 != space("mnas", classes=10).sha256


def test_sizes_of_the_spaces() -> None:
    # 432 settings a row, 288 where MobileNet v2 has one layer
    assert space("mnas").size == 432**5 * 288**2
    widths = {"resnet_cifar": 6 * 10 * 1, "vgg": 3 * 7 * 1, "lenet5": 5}
    assert space("zoo", side=32).size == sum(widths.values())
    one_cell = prod((8 * (2 + i)) ** 2 for i in range(5))
    assert space("nas_cell").size == 5 * 6 * one_cell**2
    stages = (5 * 4) ** 3
    assert space("resnet", side=32).size == (1 + 4) * 4 * stages


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ((), "space 'small' has no choice, so there is nothing to search"),
        ((Choice("a", (1,)), Choice("a", (2,))), "space 'small' has two choices called 'a'"),
        ((Choice("a", tuple(range(300))),), "choice 'a' has 300 options; 256 is the most"),
        ((Choice("width", (1,)), Choice("b", (1,), when=("widht", (1,)))),
         "choice 'b' is there when 'widht', which is no choice before it; did you mean 'width'?"),
        ((Choice("a", (1,)), Choice("b", (1,), when=("a", (7,)))),
         "choice 'b' is there when a is 7, which it never is"),
        ((Choice("a", (1,)), Choice("b", (1,), when=("a", ()))),
         "choice 'b' is there when a is None, which it never is"),
    ],
)  # fmt: skip
def test_choices_that_cannot_be(choices: tuple[Choice, ...], says: str) -> None:
    with pytest.raises(SpaceError) as caught:
        small(*choices)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "choice 'a' has no option; give it one or more, or leave it out"),
        ((1, 1), "choice 'a' has an option twice: 1, 1"),
        ((1, True), "choice 'a' has an option twice: 1, True"),
        ((None,), "choice 'a': options are numbers, words or true and false, got None"),
    ],
)
def test_options_that_cannot_be(options: tuple[Any, ...], says: str) -> None:
    with pytest.raises(SpaceError) as caught:
        Choice("a", options)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"kind": "c"}, "small: 'wide' is not chosen; it is one of True, False"),
        ({"kind": "d", "wide": True}, "small: kind is one of 'a', 'b', 'c', got 'd'"),
        ({"kind": "c", "wide": 1}, "small: wide is one of True, False, got 1"),
        ({"kind": "c", "wide": True, "depth": 1}, "small: 'depth' is there only when kind is 'a', 'b'"),
        ({"kind": "c", "wide": True, "kinds": 1}, "small has no choice 'kinds'; did you mean 'kind'?"),
    ],
)
def test_settings_that_are_no_member(chosen: dict[str, Any], says: str) -> None:
    with pytest.raises(SpaceError) as caught:
        small(*TREE).genome(chosen)
    assert str(caught.value) == says


def test_genomes_of_another_space() -> None:
    found = small(*TREE)
    data = found.draw(1)[0].to_json()
    with pytest.raises(SpaceError, match="no genome: it needs format"):
        found.from_json([1])
    with pytest.raises(SpaceError, match="of version 7; this convsmith reads 1"):
        found.from_json(data | {"version": 7})
    with pytest.raises(SpaceError, match=r"the genome is of other for .*, and this space is small for"):
        found.from_json(data | {"space": "other"})
    with pytest.raises(SpaceError, match="'side': 9"):
        found.from_json(data | {"images": {"side": 9}})


def test_an_unknown_space() -> None:
    with pytest.raises(
        UnknownName, match=r"no space is called 'mna'; did you mean 'mnas'\? \(there are mnas, cifar_mb"
    ):
        space("mna")


def test_a_genome_says_its_choices() -> None:
    genome = small(*TREE).genome({"kind": "c", "wide": True})
    assert str(genome) == "kind=c wide=True"
    assert isinstance(genome, Genome)
    assert genome.network.side == 8
