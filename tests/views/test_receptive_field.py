"""Receptive fields against published values, hand-made formulas and a walk along every path.

What a unit sees of an image is compared with the input's gradient in test_region.py.
"""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from convsmith import receptive_field, spec, trace
from convsmith.spec import (
    BACK,
    HERE,
    AvgPool,
    Branches,
    Conv,
    ConvTranspose,
    Flatten,
    Gate,
    Graph,
    Identity,
    Linear,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Scale,
    Seq,
    Shift,
    Sigmoid,
)
from convsmith.spec.trace import INPUT
from convsmith.views import Field
from convsmith.views.receptive_field import LONGEST


def field_of(name: str, path: str, **options: Any) -> Field:
    graph = trace(spec(name, **options))
    return receptive_field(graph)[[row.path for row in graph.rows].index(path)]


@pytest.mark.parametrize(("name", "path", "size", "jump", "pad"), [
    # Araujo, Norris & Sim 2019, Table 1; end points and effective padding from their library's table
    # (RECEPTIVE_FIELD_TABLE.md), where it does not depend on the image's size. Theirs are TF-Slim's forms.
    # AlexNet v2 is torchvision's but for the first layer's padding of 2, which moves all windows and resizes none
    ("alexnet", "features.0", 11, 4, 0 + 2), ("alexnet", "features.2", 19, 8, 0 + 2),
    ("alexnet", "features.3", 51, 8, 16 + 2), ("alexnet", "features.6", 99, 16, 32 + 2),
    ("alexnet", "features.8", 131, 16, 48 + 2), ("alexnet", "features.10", 163, 16, 64 + 2),
    ("alexnet", "features.12", 195, 32, 64 + 2),
    # VGG-A and VGG-16: the same
    ("vgg11", "features.0", 3, 1, 1), ("vgg11", "features.5", 10, 4, 3), ("vgg11", "features.10", 30, 8, 11),
    ("vgg11", "features.15", 70, 16, 27), ("vgg11", "features.18", 134, 16, 59), ("vgg11", "features.20", 150, 32, 59),
    ("vgg16", "features.4", 6, 2, 2), ("vgg16", "features.9", 16, 4, 6), ("vgg16", "features.16", 44, 8, 18),
    ("vgg16", "features.23", 100, 16, 42), ("vgg16", "features.26", 164, 16, 74), ("vgg16", "features.30", 212, 32, 90),
    ("vgg_d", "features.30", 212, 32, 90),
    # Inception v3, v4 and Inception-ResNet v2: the same
    ("inception_v3", "Conv2d_2b_3x3.conv", 11, 2, 2), ("inception_v3", "maxpool2", 31, 8, 2),
    ("inception_v3", "Mixed_5d.concat", 127, 8, 50), ("inception_v3", "Mixed_6a.concat", 159, 16, 58),
    ("inception_v3", "Mixed_6b.concat", 351, 16, 154), ("inception_v3", "Mixed_6e.concat", 927, 16, 442),
    ("inception_v3", "Mixed_7a.concat", 1055, 32, 490), ("inception_v3", "Mixed_7c.concat", 1311, 32, 618),
    ("inception_v4", "features.3.concat", 15, 4, 2), ("inception_v4", "features.4.concat", 47, 4, 14),
    ("inception_v4", "features.5.concat", 55, 8, 14), ("inception_v4", "features.9.concat", 183, 8, 78),
    ("inception_v4", "features.10.concat", 215, 16, 86), ("inception_v4", "features.17.concat", 1559, 16, 758),
    ("inception_v4", "features.18.concat", 1687, 32, 806), ("inception_v4", "features.21.concat", 2071, 32, 998),
    ("inception_resnet_v2", "maxpool_5a", 31, 8, 2), ("inception_resnet_v2", "mixed_5b.concat", 63, 8, 18),
    ("inception_resnet_v2", "mixed_6a.concat", 415, 16, 186),
    ("inception_resnet_v2", "repeat_1.19.add", 2335, 16, 1146),  # their PreAuxLogits
    ("inception_resnet_v2", "mixed_7a.concat", 2399, 32, 1162),
    ("inception_resnet_v2", "conv2d_7b.conv", 3039, 32, 1482),
    # MobileNet v1: SAME padding there, one pixel on every side here
    ("mobilenet_v1", "features.0.0", 3, 2, None), ("mobilenet_v1", "features.5.pointwise.0", 43, 8, None),
    ("mobilenet_v1", "features.11.pointwise.0", 219, 16, None),
    ("mobilenet_v1", "features.13.pointwise.0", 315, 32, None),
    ("mobilenet_v1_075", "features.13.pointwise.0", 315, 32, None),
    # ResNets: SAME there. Theirs stride in the last 3x3 of a stage, the papers' form in the first 1x1 of the next: in
    # both, every 3x3 of a stage runs at the stage's own jump, so that sizes are the same; but at the end of a stage
    # before the last, ours has one stride still to come
    ("resnet50_paper", "layer1.2.add", 35, 8 // 2, None), ("resnet50_paper", "layer2.3.add", 99, 16 // 2, None),
    ("resnet50_paper", "layer3.5.add", 291, 32 // 2, None), ("resnet50_paper", "layer4.2.add", 483, 32, None),
    ("resnet101_paper", "layer3.22.add", 835, 32 // 2, None), ("resnet101_paper", "layer4.2.add", 1027, 32, None),
    ("resnet152_paper", "layer2.7.add", 163, 16 // 2, None), ("resnet152_paper", "layer4.2.add", 1507, 32, None),
    ("resnetv2_152_paper", "stages.3.blocks.2.add", 1507, 32, None),
    ("resnetv2_200", "stages.3.blocks.2.add", 1763, 32, None),
    # by hand
    ("lenet5", "conv1", 5, 1, 0), ("lenet5", "pool1", 6, 2, 0), ("lenet5", "conv2", 14, 2, 0),
    ("lenet5", "pool2", 16, 4, 0),
    ("alexnet_2012", "conv1", 11, 4, None), ("alexnet_2012", "pool1", 19, 8, None),
    ("alexnet_2012", "conv2", 51, 8, None), ("alexnet_2012", "pool2", 67, 16, None),
    ("alexnet_2012", "conv5", 163, 16, None), ("alexnet_2012", "pool5", 195, 32, None),
])  # fmt: skip
def test_fields_are_the_published_ones(name: str, path: str, size: int, jump: int, pad: int | None) -> None:
    found = field_of(name, path)
    assert found.size == (size, size)
    assert (found.rows.jump, found.cols.jump) == (jump, jump)
    assert pad is None or (found.rows.start, found.cols.start) == (-pad, -pad)


def test_a_stride_in_the_1x1_or_the_3x3_decides_what_a_bottleneck_sees() -> None:
    """By the formula r' = r + (k - 1) * j, a 3x3 that strides itself runs at the jump before the stride: three stages
    lose 2 * (j_after - j_before), in all 2 * (4 + 8 + 16) = 56."""
    assert field_of("resnet50_paper", "layer4.2.conv3").size == (483, 483)
    assert field_of("resnet50", "layer4.2.conv3").size == (483 - 56, 483 - 56)


def test_a_stack_follows_the_papers_recursion() -> None:
    size = jump = 1
    start = 0
    body = []
    for kernel, stride, pad, dilation in [(7, 2, 3, 1), (3, 2, 1, 1), (3, 1, 2, 2), (5, 1, 2, 1), (3, 2, 0, 3)]:
        size, start, jump = size + (kernel - 1) * dilation * jump, start - pad * jump, jump * stride
        body.append(Conv(4, kernel, stride, pad, dilation))
    last = receptive_field(trace(Seq(*body), 64))[-1].rows
    assert (last.size, last.jump, last.start, last.least, last.whole) == (size, jump, start, size, False)


def test_a_flat_vector_sees_all_of_the_map() -> None:
    assert receptive_field(trace("vgg16"))[-1].size == (404, 404)  # 212 + 6 * 32
    assert receptive_field(trace("lenet5"))[-1].size == (32, 32)
    assert receptive_field(trace("resnet50"))[-1].size == (427 + 6 * 32, 427 + 6 * 32)


@pytest.mark.parametrize(("side", "units"), [(32, 1), (64, 2), (96, 3), (224, 7), (320, 10)])
def test_an_adaptive_pool_before_a_vector_adds_nothing_to_what_it_sees(side: int, units: int) -> None:
    whole = 212 + (units - 1) * 32  # all units of pool5, whether the adaptive pool shrinks or enlarges them
    graph = trace("vgg16", side)
    assert receptive_field(graph)[-1].size == (whole, whole)


def paths(graph: Graph, end: int) -> list[list[int]]:
    """Every way from the image to a row, as the rows on it."""
    if end == INPUT:
        return [[]]
    return [[*way, end] for source in graph.rows[end].inputs for way in paths(graph, source)]


@pytest.mark.parametrize("body", [
    Seq(a=Residual(Seq(a=Conv(3, 3), b=Conv(3, 5))), b=Residual(Seq(c=Conv(8, 3, 2)), Seq(d=Conv(8, 1, 2)))),
    Seq(a=Branches(Seq(a=Conv(1, 3)), Seq(b=Conv(2, 7)), Seq(c=AvgPool(5, 1, 2))), p=Pool(2), d=Residual(
        Seq(e=Conv(HERE, 3, dilation=3), f=Residual(Seq(g=Conv(HERE, 9)))))),
    Seq(a=Conv(4, 3, 2), b=Residual(Seq(c=Conv(4, (1, 7)), d=Conv(4, (7, 1)))), e=Residual(Seq(f=Conv(4, 3)))),
])  # fmt: skip
def test_size_and_least_are_those_of_the_widest_and_the_shortest_path(body: Node) -> None:
    """The widest path gives the size where windows lie around one centre, as these do; no path gives the union else."""
    graph = trace(body, 32)
    for index, found in enumerate(receptive_field(graph)):
        for axis in (0, 1):
            sizes = []
            for way in paths(graph, index):
                size, jump = 1, Fraction(1)
                for window in (graph.rows[i].facts.window for i in way):
                    if window is not None:
                        size += (window.kernel[axis] - 1) * window.dilation[axis] * int(jump)
                        jump *= window.stride[axis]
                sizes.append(size)
            assert (found[axis].size, found[axis].least) == (max(sizes), min(sizes))


def test_shortcuts_keep_a_small_field_alive() -> None:
    found = field_of("resnet50", "layer4.2.after")
    assert (found.size, found.least) == ((427, 427), (11, 11))  # the stem alone: 7 + 2 * 2
    assert field_of("vgg16", "features.30").least == (212, 212)
    gated = field_of("seresnet50", "layer4.2.add")
    assert (gated.whole, gated.least) == (True, (11, 11))  # the gate sees all, what it scales does not


def test_padding_moves_the_start_and_not_the_size() -> None:
    padded, bare = (receptive_field(trace(Seq(Conv(1, 5, pad=p)), 16))[0].rows for p in (2, 0))
    assert (padded.size, padded.start, bare.size, bare.start) == (5, -2, 5, 0)


SE = Gate(Seq(pool=PoolTo(1), fc=Conv(BACK), act=Sigmoid))


@pytest.mark.parametrize(("body", "whole"), [
    (Seq(Conv(2, 3), PoolTo(1)), True),
    (Seq(Conv(2, 3), PoolTo(1), Flatten, Linear(3)), True),
    (Seq(Conv(2, 3), Flatten, Linear(3)), True),
    (Seq(SE, Conv(2, 3)), True),
    (Seq(Residual(Seq(Conv(HERE, 3), SE)), Relu), True),
    (Seq(PoolTo(3)), False),  # each unit sees a third, whatever the image's size
    (Seq(PoolTo(3), Conv(2, 3)), False),  # the middle unit sees all, the corner does not
    (Seq(PoolTo(3), Conv(2, 3, pad=0)), True),
    (Seq(PoolTo(3), Conv(2, 5)), True),
    (Seq(PoolTo(5), Conv(2, 3, pad=0), Conv(2, 3, pad=0)), True),  # none of the two alone
    (Seq(PoolTo(4), Pool(2), PoolTo(1)), True),
    (Seq(PoolTo(3), Shift(1), Conv(2, 3, pad=0)), False),  # the first third has been shifted out
    # the first unit sees the first half, by two adaptive pools of different sizes
    (Seq(mix=Branches(Seq(a=PoolTo(2)), Seq(b=PoolTo(6), c=Conv(1, 6, 4, pad=(4, 0, 4, 0))))), False),
    (Seq(PoolTo(4), Branches(Seq(Conv(1)), Seq(b=Conv(1, 7)))), True),
    (Seq(Conv(2, 39)), False),  # larger than the image, by chance
    (Seq(Conv(2, 20, pad=0)), False),  # covers this image, and would not cover a larger one
    (Seq(Gate(Seq(fc=Conv(BACK, 3)))), False),
])  # fmt: skip
def test_the_whole_is_seen_through_what_pools_or_reads_everything(body: Node, whole: bool) -> None:
    found = receptive_field(trace(body, 20))[-1]
    assert found.whole is found.rows.whole is found.cols.whole is whole


def test_the_whole_is_told_for_each_axis() -> None:
    found = receptive_field(trace(Seq(Conv(2, 3), PoolTo((1, 4))), 20))[-1]
    assert (found.rows.whole, found.cols.whole, found.whole) == (True, False, False)


def test_a_gate_lets_every_unit_see_what_the_gate_sees_and_nothing_adds_to_the_whole() -> None:
    body = Seq(a=Conv(4, 3), se=Gate(Seq(pool=PoolTo(1), fc=Conv(BACK))), b=Conv(2, 3, 2), c=Pool(3))
    fields = receptive_field(trace(body, 20))
    assert [f.rows.size for f in fields] == [3, 22, 22, 22, 22, 22]
    assert [f.rows.least for f in fields] == [3, 22, 22, 3, 5, 9]
    assert [f.rows.jump for f in fields] == [1, 20, 20, 1, 2, 6]
    assert [f.rows.whole for f in fields] == [False, True, True, True, True, True]


def test_the_size_of_the_whole_is_what_all_units_see_together() -> None:
    fields = receptive_field(trace(Seq(PoolTo(4), Conv(2, 7), Conv(2, 3)), 20))
    assert [(f.rows.size, f.rows.start) for f in fields] == [(5, 0), (50, -15), (50, -15)]  # parts -3 to 6, of 5 pixels


def test_the_shortest_way_does_not_grow_after_a_global_pool_or_a_flattening() -> None:
    body = Seq(Residual(Seq(a=Conv(HERE, 9))), Conv(3, 1, 2), PoolTo(1), Conv(3, 3))
    assert [f.rows.least for f in receptive_field(trace(body, 21))][-3:] == [1, 21, 21]
    assert receptive_field(trace("vgg16"))[-1].least == (404, 404)


def test_a_gate_of_the_maps_own_size_is_one_more_branch() -> None:
    found = receptive_field(trace(Seq(Gate(Seq(a=Conv(BACK, 5), act=Sigmoid))), 20))[-1]
    assert (found.size, found.least, found.whole) == ((5, 5), (1, 1), False)


def test_a_gate_of_one_unit_that_is_not_the_whole_stays_where_it_is() -> None:
    """A gate that reads 8 of 9 pixels: the last unit sees them, and its own."""
    found = receptive_field(trace(Seq(Gate(Seq(a=Conv(BACK, 8, 8, pad=0)))), 9))[-1].rows
    assert (found.size, found.jump, found.start, found.least, found.whole) == (9, 1, 0, 1, False)


def test_element_wise_layers_change_nothing() -> None:
    fields = receptive_field(trace(Seq(Conv(2, 3), Relu, Norm(), Scale(), Conv(5)), 8))
    assert len(set(fields)) == 1


def test_rows_and_cols_are_told_apart() -> None:
    found = receptive_field(trace(Seq(Conv(2, (3, 7), (2, 1)), Pool((1, 2))), (30, 40)))[-1]
    assert found.size == (3, 8)
    assert (found.rows.jump, found.cols.jump) == (2, 2)


def test_there_is_one_field_a_row_also_in_auxiliary_heads_and_vectors() -> None:
    graph = trace(Seq(a=Conv(4, 3), f=Flatten, fc=Linear(3)), (6, 9))
    fields = receptive_field(graph)
    assert [f.size for f in fields] == [(3, 3), (8, 11), (8, 11)]
    assert len(receptive_field(trace("googlenet"))) == len(trace("googlenet").rows)


def test_a_transposed_convolution_divides_the_jump_and_its_units_differ() -> None:
    """Kernel 3 at stride 2: an output unit sees one or two input units by turns."""
    found = receptive_field(trace(Seq(Conv(2, 3), ConvTranspose(2, 3, 2)), 8))[-1].rows
    assert (found.jump, found.size, found.start) == (Fraction(1, 2), 4, -2)  # unit 0 reaches into the padding
    after = receptive_field(trace(Seq(ConvTranspose(2, 3, 2), Conv(2, 3)), 8))[-1].rows
    assert (after.jump, after.size) == (Fraction(1, 2), 3)  # the fault of old: 2
    every_second = receptive_field(trace(Seq(ConvTranspose(2, 3, 2), Conv(2, 1, 2)), 8))[-1].rows
    assert (every_second.jump, every_second.size) == (1, 2)
    and_then = receptive_field(trace(Seq(ConvTranspose(2, 3, 2), Conv(2, 1, 2), Conv(2, 3)), 8))[-1].rows
    assert (and_then.jump, and_then.size) == (1, 4)


def test_units_that_see_nothing_are_left_out() -> None:
    """A kernel of 1 at stride 2 leaves every second unit without an input."""
    found = receptive_field(trace(Seq(ConvTranspose(2, 1, 2, extra=1), Conv(1, 1, 2)), 8))
    assert [(f.rows.size, f.rows.start) for f in found] == [(1, 0), (1, 0)]
    empty = receptive_field(trace(Seq(Shift(1), ConvTranspose(2, 1, 2, extra=1), Shift(1), Conv(1, 1, 2)), 8))[-1].rows
    assert (empty.size, empty.least, empty.start) == (0, 0, 0)


def test_branches_whose_units_are_not_equally_far_apart_meet_unit_by_unit() -> None:
    """Four units 3 pixels wide and as far apart beside four of 3 pixels every 2: the last sees pixels 6 to 11."""
    body = Seq(mix=Branches(Seq(a=PoolTo(4)), Seq(b=Conv(2, 3, 2, pad=0), c=Conv(1, 2, pad=0))))
    found = receptive_field(trace(body, 12))[-1].rows
    assert (found.jump, found.start, found.size, found.least) == (3, 0, 6, 3)


def test_branches_of_different_jump_that_are_both_whole_are_the_whole() -> None:
    body = Seq(p=PoolTo(1), mix=Branches(Seq(a=Conv(2, 3, 2)), Seq(b=Conv(2, 3))))
    found = receptive_field(trace(body, 8))[-1]
    assert (found.size, found.whole) == ((8, 8), True)


def test_a_network_without_end_is_followed_as_fast_as_a_small_one() -> None:
    """Strides and pools of millions: what would take as many steps is taken for everything, which is never too small"""
    started = time.perf_counter()
    many = 2**20
    for body in (
        Seq(ConvTranspose(1, 3, many), Conv(1, 3)),
        Seq(PoolTo(many), Conv(1, 3)),
        Seq(ConvTranspose(1, 3, 4095), ConvTranspose(1, 3, 4093), Pool(2)),
        Seq(Conv(1, many, pad=many)),
        Seq(Branches(Seq(a=PoolTo(LONGEST + 1)), Seq(b=ConvTranspose(1, 1, 1), c=PoolTo(LONGEST + 1)))),
    ):
        found = receptive_field(trace(body, 8))[-1].rows
        assert found.size >= 2
    assert time.perf_counter() - started < 2


def test_the_fields_of_the_zoo_grow_along_every_edge() -> None:
    """A unit sees at least what the unit it reads sees, and no path is longer than all of them."""
    for name in ("googlenet", "resnet50", "nasnet_a_cifar", "efficientnet_b0", "shufflenet_v2_x0_5", "convnext_tiny"):
        graph = trace(spec(name))
        fields = receptive_field(graph)
        for row, field in zip(graph.rows, fields, strict=True):
            for axis in (0, 1):
                assert 1 <= field[axis].least <= field[axis].size
                for source in row.inputs:
                    assert source == INPUT or fields[source][axis].size <= field[axis].size
                    assert source == INPUT or fields[source][axis].whole <= field[axis].whole


def test_equal_blocks_add_equal_amounts() -> None:
    sizes = [field_of("resnet152", f"layer3.{i}.add").rows.size for i in range(5, 12)]
    assert {b - a for a, b in pairwise(sizes)} == {2 * 16}


def test_identity_branches_keep_the_input() -> None:
    body = Seq(mix=Branches(Seq(a=Conv(2, 5)), Identity))
    assert receptive_field(trace(body, 9))[-1].least == (1, 1)
