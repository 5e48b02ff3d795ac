"""Receptive fields against published values, hand-made formulas and the support of the input's gradient."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch

from convsmith import build, receptive_field, spec, trace
from convsmith.spec import (
    BACK,
    HERE,
    AvgPool,
    Branches,
    Conv,
    ConvTranspose,
    Flatten,
    Gate,
    Identity,
    Linear,
    Network,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Scale,
    Seq,
    ShapeError,
    Split,
)
from convsmith.views import Field

pytestmark = pytest.mark.usefixtures("one_thread")


def field_of(name: str, path: str, **options: Any) -> Field:
    graph = trace(spec(name, **options))
    return receptive_field(graph)[[row.path for row in graph.rows].index(path)]


@pytest.mark.parametrize(("name", "path", "size", "jump"), [
    # Araujo, Norris & Sim 2019, Table 1. Their ResNets stride in the last 3x3 of a stage, the paper's form in the first
    # 1x1 of the next: in both, every 3x3 of a stage runs at the stage's own jump, so the sizes are the same
    ("alexnet", "features.12", 195, 32),
    ("vgg16", "features.28", 196, 16),  # conv5_3
    ("vgg16", "features.30", 212, 32),  # pool5
    ("vgg_d", "features.30", 212, 32),
    ("resnet50_paper", "layer4.2.add", 483, 32),
    ("resnet101_paper", "layer4.2.add", 1027, 32),
    ("resnet152_paper", "layer4.2.add", 1507, 32),
    ("lenet5", "conv1", 5, 1), ("lenet5", "pool1", 6, 2), ("lenet5", "conv2", 14, 2), ("lenet5", "pool2", 16, 4),
    ("alexnet_2012", "conv1", 11, 4), ("alexnet_2012", "pool1", 19, 8), ("alexnet_2012", "conv2", 51, 8),
    ("alexnet_2012", "pool2", 67, 16), ("alexnet_2012", "conv5", 163, 16), ("alexnet_2012", "pool5", 195, 32),
])  # fmt: skip
def test_fields_are_the_published_ones(name: str, path: str, size: int, jump: int) -> None:
    found = field_of(name, path)
    assert found.size == (size, size)
    assert (found.rows.jump, found.cols.jump) == (jump, jump)


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
    assert (last.size, last.jump, last.start) == (size, jump, start)


def test_a_flat_vector_sees_all_of_the_map() -> None:
    assert receptive_field(trace("vgg16"))[-1].size == (404, 404)  # 212 + 6 * 32
    assert receptive_field(trace("lenet5"))[-1].size == (32, 32)
    assert receptive_field(trace("resnet50"))[-1].size == (427 + 6 * 32, 427 + 6 * 32)


@pytest.mark.parametrize(("side", "units"), [(32, 1), (64, 2), (96, 3), (224, 7), (320, 10)])
def test_an_adaptive_pool_before_a_vector_adds_nothing_to_what_it_sees(side: int, units: int) -> None:
    whole = 212 + (units - 1) * 32  # all units of pool5, whether the adaptive pool shrinks or enlarges them
    graph = trace("vgg16", side)
    assert receptive_field(graph)[-1].size == (whole, whole)


BODIES: dict[str, Node] = {
    "convolution": Seq(Conv(2, 3)),
    "stack": Seq(Conv(2, 3), Relu, Conv(2, 5), Norm()),
    "strides": Seq(Conv(2, 3, 2), Conv(2, 3), Conv(2, 3, 2)),
    "no padding": Seq(Conv(2, 3, 2, pad=0), Conv(2, 4, pad=0)),
    "lopsided padding": Seq(Conv(2, 4, 2, pad=(0, 3, 2, 1)), Conv(1, 3)),
    "same padding": Seq(Conv(2, 3, 2, pad="same"), Conv(2, 3)),
    "asymmetric": Seq(Conv(2, (1, 7)), Conv(2, (5, 1), (2, 1))),
    "dilation": Seq(Conv(2, 3, dilation=2), Conv(2, 3, dilation=(3, 1))),
    "pools": Seq(AvgPool(2), Conv(2, 3), AvgPool(3, 2, 1)),
    "residual": Residual(Seq(a=Conv(3, 3), b=Conv(3, 3))),
    "residual with stride": Residual(Seq(a=Conv(4, 3, 2), b=Conv(4, 3)), Seq(s=Conv(4, 1, 2))),
    "branches": Branches(Seq(a=Conv(1)), Seq(b=Conv(2, 3), c=Conv(2, 3)), Seq(d=Conv(1, 5)), Seq(e=AvgPool(3, 1, 1))),
    "lopsided branches": Branches(Seq(a=Conv(1, 3, pad=(0, 2, 0, 2))), Seq(b=Conv(1, 3, pad=(2, 0, 2, 0)))),
    "split": Seq(stem=Conv(4, 3), s=Split(Identity, Seq(a=Conv(HERE, 5)))),
    "transposed, stride 1": Seq(ConvTranspose(2, 3)),
    "transposed, stride 1, padded": Seq(ConvTranspose(2, 5, pad=1, dilation=2)),
    "transposed": Seq(ConvTranspose(2, 4, 2, pad=1)),
    "transposed, odd kernel": Seq(ConvTranspose(2, 3, 2, pad=1, extra=1)),
    "transposed, stride 3": Seq(ConvTranspose(2, 5, 3)),
    "transposed after a stride": Seq(Conv(2, 3, 2), ConvTranspose(2, 2, 2)),
    "adaptive, even": Seq(Conv(2, 3), PoolTo(8)),
    "adaptive, overlapping": Seq(Conv(2, 3), PoolTo(5)),
    "adaptive, enlarging": Seq(Conv(2, 3), PoolTo(48)),
    "adaptive, doubling": Seq(Conv(2, 3), PoolTo(64)),
    "global": Seq(Conv(2, 3), PoolTo(1)),
}


def support(body: Node, side: int) -> tuple[int, int, list[tuple[int, int]]]:
    """Largest extent in rows and cols of the input that any output unit reads, and the rows (first, last) of each unit.

    All weights are positive, so that no contribution cancels. Sample i of the batch asks for unit i along the diagonal.
    """
    net = build(Network(body, side, 3, classes=1)).double().eval()
    for parameter in net.parameters():
        parameter.data.fill_(0.5)
    units = trace(body, side).rows[-1].out.rows
    images = torch.ones(units, 3, side, side, dtype=torch.float64, requires_grad=True)
    made = net(images).sum(1)
    diagonal = torch.arange(units)
    (gradient,) = torch.autograd.grad(made[diagonal, diagonal, diagonal].sum(), images)
    seen = gradient.sum(1) != 0

    def ends(lines: torch.Tensor) -> list[tuple[int, int]]:
        return [(int(hit[0]), int(hit[-1])) for line in lines if len(hit := line.nonzero().flatten())]

    rows, cols = ends(seen.any(2)), ends(seen.any(1))
    assert len(rows) == units  # positive weights: no unit reads nothing
    return max(b - a + 1 for a, b in rows), max(b - a + 1 for a, b in cols), rows


@pytest.mark.parametrize("name", BODIES)
def test_a_field_is_the_support_of_the_inputs_gradient(name: str) -> None:
    side = 32
    found = receptive_field(trace(BODIES[name], side))[-1]
    tall, wide, rows = support(BODIES[name], side)
    assert (min(found.rows.size, side), min(found.cols.size, side)) == (tall, wide)

    # where units stand closer than pixels, neighbours share their first one: it is then the nearest whole step
    step = 2 if name == "transposed after a stride" else int(found.rows.jump != int(found.rows.jump))
    inside = 0
    for unit, (first, last) in enumerate(rows):
        expected = found.rows.start + unit * found.rows.jump
        if expected >= 0 and expected + found.rows.size <= side:
            inside += 1
            assert abs(expected - first) < max(step, 1e-9)
            assert last < first + found.rows.size
    assert inside or name == "global"


def test_padding_moves_the_start_and_not_the_size() -> None:
    padded, bare = (receptive_field(trace(Seq(Conv(1, 5, pad=p)), 16))[0].rows for p in (2, 0))
    assert (padded.size, padded.start, bare.size, bare.start) == (5, -2, 5, 0)


def test_a_gate_lets_every_unit_see_what_the_gate_sees() -> None:
    body = Seq(a=Conv(4, 3), se=Gate(Seq(pool=PoolTo(1), fc=Conv(BACK))), b=Conv(2, 3))
    fields = receptive_field(trace(body, 20))
    assert [f.rows.size for f in fields] == [3, 22, 22, 22, 24]
    assert fields[3].rows.jump == 1
    rows, _, _ = support(body, 20)
    assert rows == 20  # the whole image


def test_element_wise_layers_change_nothing() -> None:
    fields = receptive_field(trace(Seq(Conv(2, 3), Relu, Norm(), Scale()), 8))
    assert len(set(fields)) == 1


def test_rows_and_cols_are_told_apart() -> None:
    found = receptive_field(trace(Seq(Conv(2, (3, 7), (2, 1)), Pool((1, 2))), (30, 40)))[-1]
    assert found.size == (3, 8)
    assert (found.rows.jump, found.cols.jump) == (2, 2)


def test_there_is_one_field_a_row_also_in_auxiliary_heads_and_vectors() -> None:
    graph = trace(Seq(a=Conv(4, 3), f=Flatten, fc=Linear(3)), (6, 9))
    fields = receptive_field(graph)
    assert [f.size for f in fields] == [(3, 3), (8, 11), (8, 11)]


def test_a_transposed_convolution_halves_the_jump() -> None:
    found = receptive_field(trace(Seq(Conv(2, 3), ConvTranspose(2, 4, 2, pad=1)), 8))[-1].rows
    assert (found.jump, found.size) == (Fraction(1, 2), 4)


def test_branches_whose_units_are_not_equally_far_apart_are_refused() -> None:
    body = Seq(p=PoolTo(1), mix=Branches(Seq(a=Conv(2, 3, 2)), Seq(b=Conv(2, 3))))  # both end at 1 x 1
    with pytest.raises(ShapeError) as caught:
        receptive_field(trace(body, 8))
    assert str(caught.value) == (
        "mix.concat: branches of different jump (16 and 8 px) meet; their units see no common region"
    )
