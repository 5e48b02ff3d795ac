"""Every layer's shape, weights, MACs and operations: by hand, and as torch's own layer has them."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from convsmith import build
from convsmith.spec import (
    HERE,
    IN,
    AvgPool,
    Branches,
    ChannelsFirst,
    ChannelsLast,
    Conv,
    ConvTranspose,
    Dropout,
    DropPath,
    Flatten,
    Gelu,
    HardSigmoid,
    HardSwish,
    Layer,
    LayerNorm,
    LayerScale,
    LeakyRelu,
    Linear,
    LocalNorm,
    Network,
    Norm,
    Pool,
    PoolTo,
    Rbf,
    Relu,
    Relu6,
    Residual,
    Scale,
    ScaledTanh,
    Seq,
    ShapeError,
    Shift,
    Shuffle,
    Sig,
    Sigmoid,
    Silu,
    Softmax,
    SpecError,
    TableConv,
    Tanh,
    TiledConv,
    Times,
    ZeroChannels,
    trace,
)
from convsmith.spec.nodes.geometry import Pad

pytestmark = pytest.mark.usefixtures("one_thread")


class Case(NamedTuple):
    node: Layer
    enters: tuple[int, ...]
    leaves: tuple[int, ...]
    weights: dict[str, tuple[int, ...]] = {}  # noqa: RUF012 - never written to
    macs: int = 0
    ops: int = 0
    buffers: tuple[str, ...] = ()


def conv(*weight: int, bias: bool = True, transposed: bool = False) -> dict[str, tuple[int, ...]]:
    out = weight[1] if transposed else weight[0]
    return {"weight": weight, **({"bias": (out,)} if bias else {})}


CASES = {
    "1x1": Case(Conv(8), (3, 10, 12), (8, 10, 12), conv(8, 3, 1, 1), macs=8 * 3 * 120),
    "3x3 keeps the size": Case(Conv(8, 3), (3, 10, 12), (8, 10, 12), conv(8, 3, 3, 3), macs=8 * 3 * 9 * 120),
    "no bias": Case(Conv(8, 3, bias=False), (3, 5, 5), (8, 5, 5), conv(8, 3, 3, 3, bias=False), macs=5400),
    "stride 2, odd": Case(Conv(4, 3, 2), (2, 9, 9), (4, 5, 5), conv(4, 2, 3, 3), macs=4 * 2 * 9 * 25),
    "stride 2, even": Case(Conv(4, 3, 2), (2, 8, 8), (4, 4, 4), conv(4, 2, 3, 3), macs=4 * 2 * 9 * 16),
    "stride of a pair": Case(Conv(4, 3, (2, 1)), (2, 9, 9), (4, 5, 9), conv(4, 2, 3, 3), macs=4 * 2 * 9 * 45),
    "no padding": Case(Conv(6, 5, pad=0), (1, 32, 32), (6, 28, 28), conv(6, 1, 5, 5), macs=117_600),
    "padding of 2": Case(Conv(64, 11, 4, pad=2), (3, 224, 224), (64, 55, 55), conv(64, 3, 11, 11), macs=70_276_800),
    "padding of a pair": Case(Conv(2, 3, pad=(0, 2)), (1, 6, 6), (2, 4, 8), conv(2, 1, 3, 3), macs=2 * 9 * 32),
    "four sides": Case(Conv(2, 3, 2, pad=(0, 1, 2, 0)), (1, 6, 6), (2, 3, 3), conv(2, 1, 3, 3), macs=2 * 9 * 9),
    "same, stride 2, even": Case(Conv(2, 3, 2, pad="same"), (1, 6, 6), (2, 3, 3), conv(2, 1, 3, 3), macs=2 * 9 * 9),
    "same, stride 2, odd": Case(Conv(2, 3, 2, pad="same"), (1, 7, 7), (2, 4, 4), conv(2, 1, 3, 3), macs=2 * 9 * 16),
    "same, even kernel": Case(Conv(2, 4, pad="same"), (1, 7, 7), (2, 7, 7), conv(2, 1, 4, 4), macs=2 * 16 * 49),
    "dilated": Case(Conv(2, 3, dilation=2), (1, 9, 9), (2, 9, 9), conv(2, 1, 3, 3), macs=2 * 9 * 81),
    "dilated, no padding": Case(Conv(2, 3, pad=0, dilation=(2, 3)), (1, 9, 9), (2, 5, 3), conv(2, 1, 3, 3), macs=270),
    "asymmetric": Case(Conv(4, (1, 7)), (4, 9, 9), (4, 9, 9), conv(4, 4, 1, 7), macs=4 * 4 * 7 * 81),
    "grouped": Case(Conv(8, 3, groups=2), (4, 5, 5), (8, 5, 5), conv(8, 2, 3, 3), macs=8 * 2 * 9 * 25),
    "depthwise": Case(Conv(6, 3, groups=6), (6, 5, 5), (6, 5, 5), conv(6, 1, 3, 3), macs=6 * 9 * 25),
    "relative depthwise": Case(Conv(HERE * 2, 3, groups=HERE), (6, 5, 5), (12, 5, 5), conv(12, 1, 3, 3), macs=2700),
    "transposed": Case(
        ConvTranspose(8, 4, 2, pad=1), (16, 5, 5), (8, 10, 10), conv(16, 8, 4, 4, transposed=True), macs=51_200
    ),
    "transposed, extra row": Case(
        ConvTranspose(4, 3, 2, pad=1, extra=1, bias=False), (2, 5, 6), (4, 10, 12), conv(2, 4, 3, 3, bias=False), 2160
    ),
    "transposed, grouped, dilated": Case(
        ConvTranspose(6, 3, (1, 2), dilation=(2, 1), groups=2), (4, 5, 5), (6, 9, 11),
        {"weight": (4, 3, 3, 3), "bias": (6,)}, macs=4 * 3 * 9 * 25,
    ),
    "connection table": Case(
        TableConv(((0, 1), (1, 2), (0, 1, 2)), 3), (3, 6, 6), (3, 4, 4), {"weight": (7, 3, 3), "bias": (3,)}, 7 * 9 * 16
    ),
    "tiled": Case(TiledConv(4), (2, 6, 7), (4, 6, 7), conv(16, 2, 3, 3, bias=False), macs=4 * 2 * 9 * 42),
    "tiled, bias, no padding": Case(
        TiledConv(5, (3, 2), 3, pad=0, bias=True), (2, 9, 8), (5, 7, 7), conv(45, 2, 3, 2), macs=5 * 2 * 6 * 49
    ),
    "tiled, same, relative": Case(
        TiledConv(HERE * 2, 2, 2, pad="same"), (3, 5, 5), (6, 5, 5), conv(24, 3, 2, 2, bias=False), macs=6 * 3 * 4 * 25
    ),
    "tiled, period beyond the image": Case(
        TiledConv(2, 3, 7), (1, 4, 9), (2, 4, 9), conv(98, 1, 3, 3, bias=False), macs=2 * 9 * 36
    ),
    "linear": Case(Linear(10), (84,), (10,), {"weight": (10, 84), "bias": (10,)}, macs=840),
    "linear, no bias": Case(Linear(10, bias=False), (84,), (10,), {"weight": (10, 84)}, macs=840),
    "linear, relative": Case(Linear(HERE // 4), (84,), (21,), {"weight": (21, 84), "bias": (21,)}, macs=21 * 84),
    "radial basis": Case(Rbf(10), (84,), (10,), {"weight": (10, 84)}, ops=3 * 840, buffers=("weight",)),
    "batch norm": Case(
        Norm(), (6, 4, 5), (6, 4, 5),
        {"weight": (6,), "bias": (6,), "running_mean": (6,), "running_var": (6,), "num_batches_tracked": ()},
        ops=240, buffers=("running_mean", "running_var", "num_batches_tracked"),
    ),
    "batch norm, flat": Case(
        Norm(affine=False), (6,), (6,), {"running_mean": (6,), "running_var": (6,), "num_batches_tracked": ()},
        ops=12, buffers=("running_mean", "running_var", "num_batches_tracked"),
    ),
    "local norm": Case(LocalNorm(5), (6, 4, 5), (6, 4, 5), ops=7 * 120),
    "scale": Case(Scale(0.25), (6, 4, 5), (6, 4, 5), {"weight": (6,)}, ops=120),
    "scale, bias, flat": Case(Scale(bias=True), (6,), (6,), {"weight": (6,), "bias": (6,)}, ops=12),
    "max pool": Case(Pool(2), (6, 7, 8), (6, 3, 4), ops=6 * 12 * 4),
    "max pool, overlapping": Case(Pool(3, 2), (96, 55, 55), (96, 27, 27), ops=96 * 27 * 27 * 9),
    "max pool, padded": Case(Pool(3, 2, 1), (4, 8, 8), (4, 4, 4), ops=4 * 16 * 9),
    "max pool, ceil": Case(Pool(3, 2, ceil=True), (4, 8, 8), (4, 4, 4), ops=4 * 16 * 9),
    "max pool, floor": Case(Pool(3, 2), (4, 8, 8), (4, 3, 3), ops=4 * 9 * 9),
    "mean pool": Case(AvgPool((2, 3)), (6, 8, 9), (6, 4, 3), ops=6 * 12 * 6),
    "mean pool, pad not counted": Case(AvgPool(3, 1, 1, count_pad=False), (2, 4, 4), (2, 4, 4), ops=2 * 16 * 9),
    "sum pool": Case(AvgPool(2, divisor=1), (6, 28, 28), (6, 14, 14), ops=6 * 196 * 4),
    "global pool": Case(PoolTo(1), (512, 7, 7), (512, 1, 1), ops=512 * 49),
    "max pool to 3x2": Case(PoolTo((3, 2), "max"), (4, 9, 8), (4, 3, 2), ops=4 * 6 * 12),
    "max pool, same": Case(Pool(3, 2, "same"), (4, 8, 7), (4, 4, 4), ops=4 * 16 * 9),
    "mean pool, same": Case(AvgPool(3, 2, "same"), (4, 8, 7), (4, 4, 4), ops=4 * 16 * 9),
    "layer norm": Case(LayerNorm(), (6, 4, 5), (6, 4, 5), {"weight": (6,), "bias": (6,)}, ops=600),
    "layer norm, flat": Case(LayerNorm(), (6,), (6,), {"weight": (6,), "bias": (6,)}, ops=30),
    "times": Case(Times(0.17), (6, 4, 5), (6, 4, 5), ops=120),
    "shift": Case(Shift(), (6, 4, 5), (6, 4, 5)),
    "channels last": Case(ChannelsLast, (6, 4, 5), (4, 5, 6)),
    "flatten": Case(Flatten, (16, 5, 5), (400,)),
    "shuffle": Case(Shuffle(3), (6, 4, 4), (6, 4, 4)),
    "zero channels": Case(ZeroChannels(32), (16, 4, 4), (32, 4, 4)),
    "zero channels, relative": Case(ZeroChannels(HERE * 2), (16,), (32,)),
    "dropout": Case(Dropout(0.3), (6, 4, 4), (6, 4, 4)),
    "drop path": Case(DropPath(0.3), (6, 4, 4), (6, 4, 4)),
} | {
    f"{node.label} activation": Case(node, (6, 4, 5), (6, 4, 5), ops=120)
    for node in (Tanh, ScaledTanh, Sigmoid, Relu, Relu6, LeakyRelu, Silu, HardSwish, HardSigmoid, Gelu, Softmax)
}  # fmt: skip

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def row_of(case: Case) -> Any:
    """The one row of the layer, traced alone; a flat vector enters through Flatten."""
    flat = len(case.enters) == 1
    body = Seq(flatten=Flatten, layer=case.node) if flat else Seq(layer=case.node)
    side = (1, 1) if flat else (case.enters[1], case.enters[2])
    return trace(body, side, case.enters[0]).rows[-1], body, side


@each_case
def test_a_layers_facts_are_those_worked_out_by_hand(case: Case) -> None:
    row, _, _ = row_of(case)
    assert row.out.shape == case.leaves
    assert {w.name: w.shape for w in row.facts.weights} == case.weights
    assert tuple(w.name for w in row.facts.weights if not w.trainable) == case.buffers
    assert row.facts.params == sum(prod(s) for n, s in case.weights.items() if n not in case.buffers)
    assert row.facts.buffers == sum(prod(s) for n, s in case.weights.items() if n in case.buffers)
    assert (row.facts.macs, row.facts.ops) == (case.macs, case.ops)


@each_case
def test_the_built_layer_has_the_same_shape_state_and_multiply_adds(case: Case, macs_of: Any) -> None:
    row, body, side = row_of(case)
    net = build(Network(body, side, case.enters[0], classes=1)).eval()
    image = torch.randn(2, case.enters[0], *side)
    layer = net.layer
    with torch.no_grad():
        assert tuple(net(image).shape[1:]) == row.out.shape
    assert {name: tuple(t.shape) for name, t in layer.state_dict().items()} == case.weights
    assert {name for name, _ in layer.named_buffers() if name in layer.state_dict()} == set(case.buffers)
    if not isinstance(case.node, TableConv):  # its dense kernel multiplies zeros, which the table does not count
        assert macs_of(net, image[:1]) == row.facts.macs


def test_every_kind_of_layer_has_a_case() -> None:
    from convsmith.spec.kinds import LEAVES

    alone = {"slice", "layer_scale"}  # Split alone places slices; a bare parameter has a test of its own
    assert {case.node.kind for case in CASES.values()} | alone == set(LEAVES)


@pytest.mark.parametrize(("node", "theirs"), [
    (Norm(1e-3, 0.01), nn.BatchNorm2d(4, 1e-3, 0.01)),
    (Norm(affine=False), nn.BatchNorm2d(4, affine=False)),
    (Relu6, nn.ReLU6()), (LeakyRelu, nn.LeakyReLU(0.2)), (Gelu, nn.GELU()), (Softmax, nn.Softmax(1)),
    (AvgPool(3, 2, 1, count_pad=False), nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    (AvgPool(3, 2, 1), nn.AvgPool2d(3, 2, 1)),
    (AvgPool(2, divisor=1), nn.AvgPool2d(2, divisor_override=1)),
    (Pool(3, 2, 1, ceil=True), nn.MaxPool2d(3, 2, 1, ceil_mode=True)),
    (PoolTo((3, 2)), nn.AdaptiveAvgPool2d((3, 2))), (PoolTo(2, "max"), nn.AdaptiveMaxPool2d(2)),
    (Shift(), nn.ZeroPad2d((-1, 1, -1, 1))),
    (Shuffle(2), nn.ChannelShuffle(2)), (Flatten, nn.Flatten()),
], ids=lambda x: getattr(x, "label", None) or type(x).__name__)  # fmt: skip
def test_a_layer_computes_what_torchs_layer_computes(node: Layer, theirs: nn.Module) -> None:
    image = torch.randn(3, 4, 9, 8, generator=torch.Generator().manual_seed(0))
    ours = build(Network(Seq(layer=node), (9, 8), 4, classes=1))
    for mode in (True, False):
        assert torch.equal(ours.train(mode)(image), theirs.train(mode)(image))


def test_local_normalisation_is_the_papers_sum_over_neighbouring_maps() -> None:
    image = torch.randn(1, 7, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = build(Network(Seq(norm=LocalNorm(5, alpha=1e-4, beta=0.75, k=2.0)), 3, 7, classes=1))(image)
    by_hand = torch.stack([  # Krizhevsky et al. 2012, section 3.3: alpha is not divided by n
        image[:, i] / (2 + 1e-4 * image[:, max(0, i - 2): i + 3].square().sum(1)) ** 0.75 for i in range(7)
    ], 1)  # fmt: skip
    assert torch.allclose(ours, by_hand, rtol=1e-12)


def test_layer_normalisation_is_torchs_wherever_the_channels_are() -> None:
    image = torch.randn(2, 6, 4, 5, generator=torch.Generator().manual_seed(0))
    wanted = nn.functional.layer_norm(image.permute(0, 2, 3, 1), (6,), eps=1e-6).permute(0, 3, 1, 2)
    first = build(Network(Seq(norm=LayerNorm(1e-6)), (4, 5), 6, classes=1))
    last = build(Network(Seq(last=ChannelsLast, norm=LayerNorm(1e-6), first=ChannelsFirst), (4, 5), 6, classes=1))
    assert torch.equal(first(image), wanted)
    assert torch.equal(last(image), wanted)


def test_a_linear_layer_with_channels_last_is_a_1x1_convolution(macs_of: Any) -> None:
    image = torch.randn(2, 6, 4, 5, generator=torch.Generator().manual_seed(0))
    net = build(Network(Seq(last=ChannelsLast, fc=Linear(9), first=ChannelsFirst), (4, 5), 6, classes=1))
    wanted = nn.functional.conv2d(image, net.fc.weight[:, :, None, None], net.fc.bias)
    assert torch.allclose(net(image), wanted, atol=1e-6)
    assert net.graph.rows[1].facts.macs == macs_of(net, image[:1]) == 9 * 6 * 20


def test_a_layer_scale_is_a_bare_parameter_of_its_container() -> None:
    net = build(Network(Seq(block=Residual(Seq(conv=Conv(6), layer_scale=LayerScale(0.5)))), 4, 6, classes=1))
    image = torch.randn(2, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    assert {name: tuple(p.shape) for name, p in net.named_parameters()} == {
        "block.conv.weight": (6, 6, 1, 1), "block.conv.bias": (6,), "block.layer_scale": (6, 1, 1)
    }  # fmt: skip
    assert net.graph.weights == {key: tuple(value.shape) for key, value in net.state_dict().items()}
    assert torch.equal(net(image), image + 0.5 * net.block.conv(image))
    copied = build(net.network)
    copied.load_state_dict(net.state_dict())
    assert torch.equal(copied(image), net(image))


@pytest.mark.parametrize("node", [
    Norm(), Pool(2), Conv(3), ConvTranspose(3, 2, 2), LocalNorm(), Scale(), LayerScale(), Shuffle(2), Softmax,
    ZeroChannels(8), ChannelsLast, Shift(), PoolTo(1),
], ids=lambda node: node.label)  # fmt: skip
def test_a_layer_that_wants_channels_first_says_so(node: Layer) -> None:
    with pytest.raises(ShapeError, match=r"layer: .*4×5×6.*channels first|layer: .*channels first.*4×5×6"):
        trace(Seq(last=ChannelsLast, layer=node), (4, 5), 6)


def test_branches_with_channels_last_do_not_concatenate() -> None:
    body = Branches(Seq(a=ChannelsLast), Seq(b=ChannelsLast))
    with pytest.raises(ShapeError, match="channels first"):
        trace(Seq(cat=body), 4, 6)


def test_a_residual_drops_its_body_only_where_there_is_a_skip() -> None:
    kept, changed = Residual(Seq(conv=Conv(3)), drop=0.2), Residual(Seq(conv=Conv(5)), drop=0.2)
    projected = Residual(Seq(conv=Conv(5)), Seq(side=Conv(5)), drop=0.2)
    found = {name: [row.path for row in trace(Seq(b=node), 4).rows] for name, node in
             (("kept", kept), ("changed", changed), ("projected", projected))}  # fmt: skip
    assert found == {
        "kept": ["b.conv", "b.drop_path", "b.add"],
        "changed": ["b.conv"],
        "projected": ["b.conv", "b.drop_path", "b.side", "b.add"],
    }
    with pytest.raises(SpecError, match="residual: drop must be at least 0 and below 1, got 1"):
        Residual(Seq(conv=Conv(3)), drop=1.0)


def test_pooling_with_same_padding_never_sees_the_padding() -> None:
    image = torch.rand(1, 2, 7, 8, generator=torch.Generator().manual_seed(0)) - 2  # a padded zero would be the maximum
    for node in (Pool(3, 2, "same"), AvgPool(3, 2, "same", count_pad=False)):
        pooled = build(Network(Seq(pool=node), (7, 8), 2, classes=1))(image)
        for row in range(4):  # 7 rows: one pixel of padding above and below; 8 columns: none at left, one at right
            for col in range(4):
                part = image[:, :, max(0, 2 * row - 1) : 2 * row + 2, 2 * col : 2 * col + 3]
                wanted = part.amax((2, 3)) if isinstance(node, Pool) else part.mean((2, 3))
                assert torch.allclose(pooled[:, :, row, col], wanted)
    counted = build(Network(Seq(pool=AvgPool(3, 2, "same")), (7, 8), 2, classes=1))(image)
    assert torch.allclose(counted[:, :, 0, 3], image[:, :, :2, 6:].sum((2, 3)) / 9)
    with pytest.raises(SpecError, match="a divisor wants padding in pixels"):
        AvgPool(3, 2, "same", divisor=1)
    with pytest.raises(SpecError, match="already rounds up"):
        Pool(3, 2, "same", ceil=True)


def test_sizes_of_same_padding_follow_tensorflows_rule() -> None:
    checked = 0
    for size in range(1, 12):
        for kernel in range(1, 6):
            for stride in (1, 2, 3):
                for dilation in (1, 2):
                    reach = (kernel - 1) * dilation + 1
                    rest = size % stride  # tensorflow.org/api_docs/python/tf/nn, "Notes on padding"
                    total = max(reach - stride, 0) if rest == 0 else max(reach - rest, 0)
                    facts = Conv(1, kernel, stride, pad="same", dilation=dilation).infer(Sig(1, size, size))
                    assert facts.out.rows == -(-size // stride)
                    assert facts.window is not None
                    assert facts.window.pad == (total // 2, total // 2)
                    checked += 1
    assert checked == 11 * 5 * 3 * 2


def test_pooling_sizes_are_torchs_in_floor_and_ceil_mode_and_so_are_refusals() -> None:
    seen: set[bool] = set()
    for size in range(1, 13):
        for kernel in range(1, 6):
            for stride in range(1, 5):
                for pad in range(kernel // 2 + 1):
                    for ceil in (False, True):
                        theirs = nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil)
                        try:
                            wanted = tuple(theirs(torch.zeros(1, 1, size, size)).shape[2:])
                        except RuntimeError:
                            wanted = None
                        try:
                            sig = Pool(kernel, stride, pad, ceil=ceil).infer(Sig(1, size, size)).out
                            got = (sig.rows, sig.cols)
                        except ShapeError:
                            got = None
                        assert got == wanted, (size, kernel, stride, pad, ceil)
                        seen.add(got is None)
    assert seen == {True, False}


def test_the_last_window_of_ceil_mode_may_not_start_in_the_trailing_padding() -> None:
    # (4 + 2 - 2) / 3 = 1.33 rounds up to 3 windows at -1, 2, 5; the last would start outside and is dropped
    assert Pool(2, 3, 1, ceil=True).infer(Sig(1, 4, 4)).out.rows == 2
    assert Pool(2, 3, 1, ceil=True).infer(Sig(1, 5, 5)).out.rows == 2
    assert Pool(3, 2, 1, ceil=True).infer(Sig(1, 6, 6)).out.rows == 4


def test_adaptive_windows_are_as_wide_as_torchs_widest() -> None:
    for size in range(1, 15):
        for out in range(1, 10):
            image = torch.zeros(1, 1, size, 1, dtype=torch.float64, requires_grad=True)
            pooled = nn.functional.adaptive_avg_pool2d(image, (out, 1)).flatten()
            widths = [
                int((torch.autograd.grad(unit, image, retain_graph=True)[0] != 0).sum()) for unit in pooled
            ]  # fmt: skip
            window = PoolTo((out, 1)).infer(Sig(1, size, 1)).window
            assert window is not None
            assert (window.kernel[0], window.stride[0] * out) == (max(widths), size)


@pytest.mark.parametrize(("pad", "bias"), [(None, False), (0, True), ((0, 1, 2, 0), True), ("same", False)])
def test_a_tiled_convolution_of_period_1_is_a_convolution(pad: Pad, bias: bool) -> None:
    plain, tiled = Conv(4, (3, 2), pad=pad, bias=bias), TiledConv(4, (3, 2), 1, pad, bias)
    ours, theirs = (node.infer(Sig(3, 9, 8)) for node in (tiled, plain))
    assert ours._replace(source=None) == theirs._replace(source=None)
    assert (ours.weights, ours.window) == (theirs.weights, theirs.window)
    theirs, ours = (build(Network(Seq(layer=node), (9, 8), 3, classes=1), seed=0) for node in (plain, tiled))
    image = torch.randn(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ours(image), theirs(image))  # from the same seed: the initial weights are the same too


def test_a_tiled_convolutions_weights_do_not_depend_on_the_image() -> None:
    node = TiledConv(4, 3, period=5)
    assert {node.infer(Sig(3, rows, cols)).weights for rows, cols in ((1, 1), (4, 9), (224, 224))} == {
        (("weight", (100, 3, 3, 3), True),)
    }


@pytest.mark.parametrize(("values", "message"), [
    ({"out": 0}, "tiled_conv: out must be an integer of at least 1, got 0"),
    ({"period": 0}, "tiled_conv: period must be an integer of at least 1, got 0"),
    ({"period": (2, 2)}, "tiled_conv: period must be an integer of at least 1, got (2, 2)"),
    ({"period": HERE}, "tiled_conv: period must be an integer of at least 1, got Width(of='here', times=1, divide=1, "
                       "multiple=1)"),
    ({"kernel": 1.5}, "tiled_conv: kernel must be an integer of at least 1, got 1.5"),
    ({"pad": -1}, "tiled_conv: pad must be an integer, (rows, cols) or (top, bottom, left, right) or \"same\", none of "
                  "it negative, got -1"),
])  # fmt: skip
def test_a_tiled_convolution_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        TiledConv(**{"out": 4} | values)
    assert str(caught.value) == message


def test_a_tiled_convolution_wants_an_image_as_large_as_its_kernel() -> None:
    with pytest.raises(ShapeError, match="a: the image is too small: 3×3 here, below the window of 5×5"):
        trace(Seq(a=TiledConv(4, 5, pad=0)), 3)
    with pytest.raises(ShapeError, match="a: a window wants an image, got a flat vector of 27"):
        trace(Seq(f=Flatten, a=TiledConv(4)), 3)


def test_pooling_to_a_huge_size_is_counted_at_once() -> None:
    assert trace(PoolTo(10**9), 8).rows[0].out.shape == (3, 10**9, 10**9)  # a loop over outputs would take minutes


def test_a_stride_is_carried_through_pools_transposes_and_branches() -> None:
    body = Seq(
        a=Conv(4, 3, 2),
        b=Pool(3, (2, 1), 1),
        c=Branches(Seq(x=Conv(2, 3)), Seq(y=Conv(IN, 3))),
        d=ConvTranspose(4, 2, 2),
    )
    assert [row.out.stride for row in trace(body, 16).rows] == [(2, 2), (4, 2), (4, 2), (4, 2), (4, 2), (2, 1)]


def test_a_dropout_rate_is_the_probability_to_drop() -> None:
    net = build(Network(Seq(drop=Dropout(0.9)), 100, 1, classes=1))
    torch.manual_seed(0)
    kept = (net(torch.ones(1, 1, 100, 100)) != 0).double().mean().item()
    assert abs(kept - 0.1) < 0.02  # 10,000 draws: standard deviation 0.003
