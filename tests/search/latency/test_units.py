"""A network falls into units: each row in one, and a unit's key says all that its time depends on."""

from __future__ import annotations

import pytest

from convsmith import cost, spec, trace
from convsmith.search.latency.units import units
from convsmith.search.spaces import SPACES, space
from convsmith.spec import Conv, Flatten, Linear, Network, Norm, PoolTo, Relu, Residual, Seq

NETWORK = Network(
    Seq(
        conv=Conv(4, 3), norm=Norm(), act=Relu,
        block=Residual(Seq(conv=Conv(4, 3, groups=4), norm=Norm(), act=Relu), after=Relu),
        pool=PoolTo(1), flat=Flatten, fc=Linear(3),
    ), 8, 3, 3, "tiny",
)  # fmt: skip


def test_units_of_a_small_network() -> None:
    found = units(trace(NETWORK))
    assert [unit.form for unit in found] == [
        "image",
        "conv (3, 3) (1, 1) norm relu",
        "conv depthwise (3, 3) (1, 1) norm relu add relu",
        "avg_pool_to (8, 8) (8, 8)",
        "flatten",
        "linear",
    ]
    image, conv, depthwise = found[:3]
    assert image.rows == range(0)
    assert image.moved == 2 * 3 * 8 * 8
    assert (conv.macs, conv.weights) == (8 * 8 * 9 * 3 * 4, 9 * 3 * 4 + 4 + 4 * 4 + 1)
    assert conv.moved == 64 * (3 + 4 + 4 + 4 + 4 + 4)  # read and written by the convolution, the norm and the ReLU
    assert "3×8×8 > 4×8×8 norm 4×8×8 relu 4×8×8" in conv.key
    assert depthwise.kind == "conv depthwise"


@pytest.mark.parametrize(
    "name", ["resnet50", "googlenet", "densenet121", "shufflenet_g3", "inception_v3", "alexnet_2012"]
)
def test_every_row_that_evaluation_runs_is_in_one_unit(name: str) -> None:
    graph = trace(spec(name))
    found = units(graph)
    inside = [i for unit in found for i in unit.rows if graph.rows[i].tap is None]
    assert inside == [i for i, row in enumerate(graph.rows) if row.tap is None]
    assert sum(unit.macs for unit in found) == cost(graph).macs
    assert sum(unit.weights for unit in found) == sum(r.params + r.buffers for r in graph.rows if r.tap is None)


@pytest.mark.parametrize("name", SPACES)
def test_units_of_one_key_are_one_work(name: str) -> None:
    """Over the members of a space, whatever stands around them."""
    seen: dict[str, tuple[object, ...]] = {}
    for member in space(name).draw(30, seed=1):
        for unit in units(member.graph):
            about = (unit.form, unit.kind, unit.macs, unit.moved, unit.weights)
            assert seen.setdefault(unit.key, about) == about


def test_shape_and_stride_and_followers_tell_units_apart() -> None:
    def key(node: Seq, side: int = 8) -> str:
        return units(trace(node, side))[1].key

    base = key(Seq(Conv(4, 3), Norm(), Relu))
    others = [
        key(Seq(Conv(4, 3), Norm())),
        key(Seq(Conv(4, 3), Norm(), Relu), side=9),
        key(Seq(Conv(4, 3, stride=2), Norm(), Relu)),
        key(Seq(Conv(4, 5, pad=2), Norm(), Relu)),
        key(Seq(Conv(5, 3), Norm(), Relu)),
        key(Seq(Conv(4, 3, bias=False), Norm(), Relu)),
    ]
    assert len({base, *others}) == 7
