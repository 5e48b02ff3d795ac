"""Every member of every space is a network that traces, and its costs are looked up as they are traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsmith.nn import build
from convsmith.search.costs import Costs, costs, costs_of, tables
from convsmith.search.spaces import SPACES, Choice, Genome, Segment, Space, neighbours, space
from convsmith.search.spaces.chain import chain
from convsmith.search.tables import Tables
from convsmith.spec import Conv, Flatten, Linear, PoolTo, Seq
from convsmith.spec.errors import SpaceError
from convsmith.views.cost import cost

IMAGES: tuple[dict[str, int], ...] = (
    {"side": 32, "channels": 3, "classes": 10}, {"side": 224, "channels": 3, "classes": 1000},
    {"side": 28, "channels": 1, "classes": 7}, {"side": 97, "channels": 3, "classes": 2},
)  # fmt: skip
CHAINS = (("cifar_mb", IMAGES[2]), ("resnet", IMAGES[0]), ("resnet", IMAGES[3]))


@pytest.mark.parametrize("name", SPACES)
@given(seed=st.integers(0, 2**31), images=st.sampled_from(IMAGES))
@settings(max_examples=15, deadline=None)
def test_every_member_traces(name: str, seed: int, images: dict[str, int]) -> None:
    genome = space(name, **images).draw(1, seed)[0]
    graph = genome.graph
    assert graph.rows[graph.output].out.channels == images["classes"]
    assert graph.input.channels == images["channels"]


@pytest.mark.parametrize("name", SPACES)
def test_members_cost_what_torch_counts_of_the_built_network(name: str, macs_of: Callable[..., int]) -> None:
    for genome in space(name, side=64, classes=10).draw(2, seed=8):
        net = build(genome.network, device="meta").eval()
        price = Costs(*costs_of(genome.graph))
        assert price.params == sum(parameter.numel() for parameter in net.parameters())
        assert price.macs == macs_of(net, torch.empty(1, *net.graph.input.shape, device="meta"))


def test_all_members_of_the_zoo_trace() -> None:
    assert all(genome.graph.rows for genome in space("zoo", side=32).members())
    assert all(genome.graph.rows for genome in space("zoo", side=96).members())


@pytest.mark.parametrize("name", [name for name in SPACES if name != "zoo"])
def test_each_option_changes_the_network(name: str) -> None:
    """But for what cannot: the skip where channels and size change, a cell's sides swapped."""
    genome = space(name).draw(1, seed=2)[0]
    for other in neighbours(genome):
        before, after = genome.settings, other.settings
        changed = next(k for k in before if before[k] != after.get(k))
        if not changed.endswith("skip"):
            assert other.network != genome.network, changed


@pytest.mark.parametrize(("name", "images"), CHAINS, ids=["cifar_mb", "resnet small", "resnet large"])
def test_tables_equal_the_trace(name: str, images: dict[str, int]) -> None:
    found = space(name, **images)
    rows = found.numbering.draw(60, np.random.default_rng(0))
    assert_equal(costs(found, rows), found.genomes(rows))


@pytest.mark.slow
def test_a_thousand_members_of_mnas_cost_what_their_traces_say() -> None:
    found = space("mnas")
    rows = found.numbering.draw(1000, np.random.default_rng(1))
    assert_equal(costs(found, rows), found.genomes(rows))


def assert_equal(looked_up: Costs, genomes: list[Genome]) -> None:
    traced = np.array([costs_of(genome.graph) for genome in genomes])
    for column, name in zip(traced.T, Costs._fields, strict=True):
        np.testing.assert_array_equal(getattr(looked_up, name), column, name)


def test_spaces_without_segments_are_traced() -> None:
    found = space("zoo", side=32)
    rows = found.numbering.block(0, 20)
    assert_equal(costs(found, rows), found.genomes(rows))
    assert costs(found, rows[:, :0]).macs.shape == (0,)


def test_tables_are_made_once() -> None:
    found = space("resnet", side=32)
    assert tables(found) is tables(found)


def test_a_segment_that_does_not_name_what_its_width_depends_on() -> None:
    segments = (
        Segment("stem", lambda s: Seq(Conv(int(s["wide"]), 3)), reads=("wide",)),
        Segment("head", lambda _: Seq(PoolTo(1), Flatten, Linear(2))),
    )
    found = chain("wrong", "a test's", [Choice("wide", (4, 8))], segments, side=8, channels=3, classes=2, init="torch")
    with pytest.raises(SpaceError, match=r"segment 'stem' puts out 4×8×8 and 8×8×8 where the choices that it names"):
        Tables(found)


def strided(scale: tuple[str, ...]) -> Space:
    segments = (
        Segment("stem", lambda s: Seq(Conv(4, 3, int(s["stride"]))), reads=("stride",), scale=scale),
        Segment("body", lambda s: Seq(Conv(int(s["wide"]), 3)), reads=("wide",), width=("wide",)),
        Segment("head", lambda _: Seq(PoolTo(1), Flatten, Linear(2))),
    )
    choices = [Choice("stride", (1, 2)), Choice("wide", (4, 8)), Choice("side", (8, 16))]
    return chain("strided", "a test's", choices, segments, side=16, channels=3, classes=2, init="torch")


def test_sizes_last_beyond_the_segment_that_changes_them() -> None:
    found = strided(("stride",))
    rows = found.numbering.block(0, found.size)
    assert_equal(costs(found, rows), found.genomes(rows))
    with pytest.raises(SpaceError, match="name the one that differs"):
        Tables(strided(()))


def test_mobilenet_v2_is_a_member_of_mnas() -> None:
    """Its Table 2 with 1.0 of the widths; published: 3.5 M parameters (3,504,872), 300.8 M MACs."""
    table = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
    chosen: dict[str, Any] = {}
    for number, (expansion, width, layers) in enumerate(table, 1):
        row = {"kernel": 3, "se": 0, "skip": "residual", "width": width, "layers": layers}
        row["op"] = "separable" if expansion == 1 else f"mbconv{expansion}"
        chosen |= {f"block{number}.{name}": value for name, value in row.items()}
    total = cost(space("mnas").genome(chosen).graph)
    assert (total.params, total.macs) == (3_504_872, 300_774_272)


@pytest.mark.parametrize(
    ("block", "depths", "params", "macs"),
    [
        ({"block": "basic"}, (2, 2, 2, 2), 11_689_512, 1_814_073_344),
        ({"block": "bottleneck", "groups": 1}, (3, 4, 6, 3), 25_557_032, 4_089_184_256),
    ],
    ids=["resnet18", "resnet50"],
)
def test_resnets_are_members_of_resnet(block: dict[str, Any], depths: tuple[int, ...], params: int, macs: int) -> None:
    chosen = block | {"side": 224, "stem.width": 64}
    for number, depth in enumerate(depths, 1):
        chosen |= {f"stage{number}.depth": depth, f"stage{number}.width": 64 << number - 1}
    total = cost(space("resnet").genome(chosen).graph)
    assert (total.params, total.macs) == (params, macs)
