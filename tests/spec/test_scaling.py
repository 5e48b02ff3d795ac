"""Width, depth and resolution, beside the papers' own multipliers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import convsmith
from convsmith.spec import (
    HERE,
    Branches,
    Conv,
    DropPath,
    Flatten,
    Identity,
    Linear,
    Network,
    Node,
    PoolTo,
    Relu,
    Residual,
    Seq,
    Shuffle,
    SpecError,
    Split,
    Tap,
    ZeroChannels,
    dumps,
    loads,
    trace,
)
from convsmith.spec.edit import wiring
from convsmith.spec.scaling import scaled

from .test_laws import networks

BLOCK = Residual(Seq(c=Conv(HERE)))
END: dict[str, Node] = {"pool": PoolTo(1), "flat": Flatten, "fc": Linear(10)}


def network(**layers: Node) -> Network:
    return Network(Seq(**layers), 8, classes=10, name="mine")


def widths(given: Network) -> dict[str, int]:
    return {row.path: row.out.channels for row in trace(given).rows if row.facts.weights}


@pytest.mark.parametrize(("name", "scale", "paper", "options"), [
    ("mobilenet_v2", {"width": 1.4}, "mobilenet_v2_140", {}),
    ("mobilenet_v1", {"width": 0.5}, "mobilenet_v1_050", {}),
    ("resnet18", {"width": 0.5}, "resnet18", {"width": 32}),
    ("resnet50", {"width": 2}, "resnet50", {"width": 128}),
    ("vgg16", {"width": 0.5}, "vgg16", {"width": 0.5, "hidden": 2048}),
    ("resnet20", {"depth": 3}, "resnet56", {}),
    ("resnet110", {"depth": 1 / 9}, "resnet14", {"depth": 14}),
])  # fmt: skip
def test_scaling_is_the_papers_where_theirs_has_no_exception(
    name: str, scale: dict[str, Any], paper: str, options: dict[str, Any]
) -> None:
    wanted = convsmith.spec("resnet20" if paper == "resnet14" else paper, **options)
    found = scaled(convsmith.spec(name), **scale)
    assert trace(found).rows == trace(wanted).rows
    assert found.provenance == "own"
    assert loads(dumps(found)) == found


def test_numbers_are_scaled_and_relative_widths_follow_but_the_classes_stay() -> None:
    aux = Tap(Seq(conv=Conv(16), pool=PoolTo(1), flat=Flatten, fc=Linear(10)))
    net = network(
        a=Conv(20, groups=1), b=Conv(HERE * 2), aux=aux, c=Conv(40, groups=40), d=Conv(HERE, groups=HERE), **END
    )
    assert widths(scaled(net, width=1.5)) == {
        "a": 32, "b": 64, "aux.conv": 24, "aux.fc": 10, "c": 64, "d": 64, "fc": 10,
    }  # fmt: skip
    assert widths(scaled(net, width=1.5, multiple=2))["a"] == 30
    assert Conv(64, groups=64) in [row.node for row in trace(scaled(net, width=1.5)).rows if row.path == "c"]
    assert scaled(net, width=1) is net


def test_widths_are_rounded_so_that_groups_divide_them() -> None:
    net = network(a=Conv(24), b=Conv(24, groups=3), **END)
    assert widths(scaled(net, width=1.1)) == {"a": 24, "b": 24, "fc": 10}  # 26.4 to multiples of 24
    assert widths(scaled(net, width=1.6)) == {"a": 48, "b": 48, "fc": 10}
    thirds = network(a=Conv(24), b=Split(Identity, Seq(c=Conv(HERE)), Seq(d=Conv(HERE))), **END)
    assert widths(scaled(thirds, width=1.6)) == {"a": 48, "b.c": 16, "b.d": 16, "fc": 10}
    assert widths(scaled(network(a=Conv(24), b=Shuffle(3), **END), width=1.6)) == {"a": 48, "fc": 10}
    assert widths(scaled(network(a=Conv(1), b=Conv(1), **END), width=2)) == {"a": 8, "b": 8, "fc": 10}
    cardinal = scaled(convsmith.spec("resnext50_32x4d"), width=0.5)
    assert {row.node.groups for row in trace(cardinal).rows if row.kind == "conv"} == {1, 32}  # type: ignore[attr-defined]


def test_zero_channels_of_a_shortcut_follow_the_width() -> None:
    pad = Residual(Seq(a=Conv(16)), Seq(zeros=ZeroChannels(16)))
    net = scaled(network(first=Conv(8), res=pad, **END), width=2)
    assert {row.path: row.out.channels for row in trace(net).rows}["res.zeros"] == 32


def test_the_side_is_the_resolution() -> None:
    net = scaled(convsmith.spec("resnet18"), side=160)
    assert net == replace(convsmith.spec("resnet18"), side=160)
    both = scaled(convsmith.spec("resnet18"), width=0.5, depth=2, side=(96, 128))
    assert trace(both).input.shape == (3, 96, 128)


def stages(given: Network, pattern: str) -> list[int]:
    found: dict[str, set[str]] = {}
    for row in trace(given).rows:
        if match := re.match(pattern, row.path):
            found.setdefault(match[1], set()).add(match[2])
    return [len(blocks) for blocks in found.values()]


@pytest.mark.parametrize(("depth", "wanted"), [
    (1, [3, 4, 6, 3]), (2, [6, 8, 12, 6]), (1.1, [4, 5, 7, 4]), (0.5, [2, 2, 3, 2]), (0.01, [1, 1, 1, 1]),
])  # fmt: skip
def test_depth_is_times_the_blocks_of_a_stage_rounded_up(depth: float, wanted: list[int]) -> None:
    assert stages(scaled(convsmith.spec("resnet50"), depth=depth), r"layer(\d)\.(\d+)") == wanted


def test_depth_is_rounded_up_from_the_product_of_numbers_not_of_their_floats() -> None:
    assert 25 * 1.12 > 28
    many = network(a=Conv(8), stage=Seq(*[BLOCK] * 25), **END)
    assert stages(scaled(many, depth=1.12), r"(stage)\.(\d+)") == [28]


def test_blocks_that_differ_in_stochastic_depth_alone_are_a_stage_and_the_last_is_repeated() -> None:
    deep = scaled(convsmith.spec("convnext_tiny"), depth=2)
    assert stages(deep, r"features\.([1357])\.(\d+)") == [6, 6, 18, 6]
    rates = [row.node.rate for row in trace(deep).rows if row.kind == "drop_path"]  # type: ignore[attr-defined]
    assert len(set(rates[-4:])) == 1


def test_blocks_that_differ_in_a_layer_of_stochastic_depth_are_a_stage_too() -> None:
    blocks = [Residual(Seq(c=Conv(HERE), drop=DropPath(rate))) for rate in (0.1, 0.2)]
    deep = scaled(network(a=Conv(8), stage=Seq(*blocks), **END), depth=1.5)
    assert [row.node.rate for row in trace(deep).rows if row.kind == "drop_path"] == [0.1, 0.2, 0.2]  # type: ignore[attr-defined]


def test_named_blocks_go_on_counting_and_stages_in_one_sequence_are_told_apart() -> None:
    blocks = r"trunk_output\.(\w+)\.(block\d-\d+)"
    assert stages(convsmith.spec("regnet_x_400mf"), blocks) == [1, 2, 7, 12]
    assert stages(scaled(convsmith.spec("regnet_x_400mf"), depth=2), blocks) == [1, 4, 14, 24]  # one block stays
    block = Residual(Seq(a=Conv(HERE)))
    net = network(a=Conv(8), first=block, more=block, wide=Residual(Seq(a=Conv(16))), b1=block, **END)
    kept = [row.path for row in trace(scaled(net, depth=2)).rows if row.kind == "conv"]
    assert kept == ["a", "first.a", "more.a", "more2.a", "more3.a", "wide.a", "b1.a", "b2.a", "b3.a"]
    assert [row.path for row in trace(scaled(net, depth=0.5)).rows if row.kind == "conv"] == ["a", "first.a", "wide.a"]


@pytest.mark.parametrize(("layers", "scale", "message"), [
    ({"a": Conv(8), **END}, {"width": 0}, "scaled: width must be a finite number above 0, got 0"),
    ({"a": Conv(8), **END}, {"depth": float("nan")}, "scaled: depth must be a finite number above 0, got nan"),
    ({"a": Conv(8), **END}, {"width": 2, "multiple": 0}, "scaled: multiple must be an integer of at least 1, got 0"),
    ({"a": Conv(8), **END}, {"side": 0}, "side must be an integer of at least 1, got 0"),
    ({"a": Conv(8)}, {"width": 2}, "mine does not end in a layer of 10 outputs: its width has no end"),
    ({"a": Relu}, {"width": 2}, "mine does not end in a layer of 10 outputs: its width has no end"),
    ({"a": Conv(8), **END}, {"depth": 2},
     "mine has no residual blocks that keep their shape, one behind another in a sequence, so its depth cannot be "
     "scaled"),
    ({"a": Conv(9 * 11), "b": Conv(99, groups=9), "c": Conv(99, groups=11), **END}, {"width": 2},
     "mine: its groups (9, 11) would round widths to multiples of 792; scale it by the options of its paper, or its "
     "groups by hand"),
    ({"two": Branches(a=Conv(4), b=Conv(12)), "res": Residual(Seq(c=Conv(16))), **END}, {"width": 1.5},
     "mine: 1.5 times as wide, a residual would gain or lose its skip, as rounding makes its widths equal or unequal; "
     "choose another width or multiple"),
    ({"two": Branches(a=Conv(4), b=Conv(12)), "res": Residual(Seq(c=Conv(16)), Seq(d=Conv(HERE)), when="always"),
      **END}, {"width": 1.5}, "mine: 1.5 times as wide, its parts do not meet (res: cannot add 24×8×8 and 32×8×8; "
     "give the shortcut a projection to 24 channels)"),
    ({"b1": BLOCK, "b2": Relu, **END}, {"depth": 2},
     "a block after 'b1' would be called 'b2', a name that another has; rename that one"),
])  # fmt: skip
def test_what_cannot_be_scaled_is_refused(layers: dict[str, Node], scale: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        scaled(network(**layers), **scale)


def test_a_connection_table_cannot_be_scaled() -> None:
    message = "c3: a connection table names its maps one by one, so it cannot be scaled"
    with pytest.raises(SpecError, match=f"^{message}$"):
        scaled(convsmith.spec("lenet5_1998"), width=2)


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks(), st.sampled_from([0.5, 1.5, 2]))
def test_every_network_stays_connected_as_it_is_or_is_refused(given: Network, width: float) -> None:
    try:
        wide = scaled(given, width=width)
    except SpecError as error:
        assert "times as wide" in str(error)  # noqa: PT017 - rounding may make widths meet or part
        return
    assert wiring(trace(wide)) == wiring(trace(given))
    assert trace(wide).rows[-1].out.channels == given.classes
    assert loads(dumps(wide)) == wide
