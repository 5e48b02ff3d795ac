"""The layer zoo against torch's own layers, its formulas, and the course notes' figures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

from convsmith import build, cost, trace
from convsmith.nn import INITS
from convsmith.spec import Flatten, Linear, Network, Seq, ShapeError, SpecError
from convsmith.views import describe, receptive_field, table
from convsmith.views.cost import Cost
from convsmith.views.diagram import diagram
from convsmith.zoo import layers

pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, classes: int | None = None, **options: object) -> Network:
    return layers.VARIANTS[f"layer_{name}"].network(f"layer_{name}", classes, **options)


def of(name: str, classes: int | None = None, **options: object) -> Cost:
    return cost(trace(network(name, classes, **options)))


def named(**modules: nn.Module) -> nn.Sequential:
    net = nn.Sequential()
    for name, module in modules.items():
        net.add_module(name, module)
    return net


def conv(m: int, n: int, kernel: object, padding: object, **options: object) -> nn.Conv2d:
    return nn.Conv2d(m, n, kernel, padding=padding, bias=False, **options)  # type: ignore[arg-type]


class Tiled(nn.Module):
    """A tiled 3x3 convolution as products of each pixel's window with its kernel: torch has none of its own."""

    def __init__(self, enter: int, leave: int, period: int) -> None:
        super().__init__()
        self.leave, self.period = leave, period
        self.weight = nn.Parameter(torch.randn(period * period * leave, enter, 3, 3) / 24)

    def forward(self, x: Tensor) -> Tensor:
        windows = nn.functional.unfold(x, 3, padding=1).unflatten(2, tuple(x.shape[2:]))
        out = windows.new_zeros(len(x), self.leave, *x.shape[2:])
        for p, kernel in enumerate(self.weight.flatten(1).split(self.leave)):
            own = (..., slice(p // self.period, None, self.period), slice(p % self.period, None, self.period))
            out[own] = (kernel @ windows[own].flatten(2)).unflatten(2, tuple(out[own].shape[2:]))
        return out


# torch's own layer, multiply-adds and weights worked out by hand for M = N = 64 on R x C = 56 x 56, ratio to plain
M, PIXELS = 64, 56 * 56
LAYERS: dict[str, tuple[Callable[[], nn.Module], int, int, Fraction]] = {
    "plain": (lambda: named(conv=conv(M, M, 3, 1)), 9 * M * M * PIXELS, 9 * M * M, Fraction(1)),
    "1x1": (lambda: named(conv=conv(M, M, 1, 0)), M * M * PIXELS, M * M, Fraction(1, 9)),
    "grouped": (
        lambda: named(conv=conv(M, M, 3, 1, groups=4)), 4 * 9 * 16 * 16 * PIXELS, 4 * 9 * 16 * 16, Fraction(1, 4),
    ),
    "depthwise": (lambda: named(conv=conv(M, M, 3, 1, groups=M)), 9 * M * PIXELS, 9 * M, Fraction(1, M)),
    "separable": (
        lambda: named(depthwise=conv(M, M, 3, 1, groups=M), pointwise=conv(M, M, 1, 0)),
        (9 * M + M * M) * PIXELS, 9 * M + M * M, Fraction(1, M) + Fraction(1, 9),
    ),
    "dilated": (lambda: named(conv=conv(M, M, 3, 2, dilation=2)), 9 * M * M * PIXELS, 9 * M * M, Fraction(1)),
    "tiled": (lambda: named(conv=Tiled(M, M, 2)), 9 * M * M * PIXELS, 147_456, Fraction(1)),
    "transposed": (
        lambda: named(conv=nn.ConvTranspose2d(M, M, 3, 2, 1, 1, bias=False)),
        9 * M * M * PIXELS, 9 * M * M, Fraction(1),
    ),
    "spatial": (
        lambda: named(vertical=conv(M, M, (3, 1), (1, 0)), horizontal=conv(M, M, (1, 3), (0, 1))),
        6 * M * M * PIXELS, 6 * M * M, Fraction(2, 3),
    ),
    "strided": (lambda: named(conv=conv(M, M, 3, 1, stride=2)), 9 * M * M * 28 * 28, 9 * M * M, Fraction(1, 4)),
    "pooled": (
        lambda: named(conv=conv(M, M, 3, 1), pool=nn.MaxPool2d(2)), 9 * M * M * PIXELS, 9 * M * M, Fraction(1),
    ),
    "basic": (
        lambda: named(conv1=conv(M, M, 3, 1), relu=nn.ReLU(), conv2=conv(M, M, 3, 1)),
        2 * 9 * M * M * PIXELS, 73_728, Fraction(2),
    ),
    "bottleneck": (
        lambda: named(
            reduce=conv(256, M, 1, 0), relu1=nn.ReLU(), conv=conv(M, M, 3, 1), relu2=nn.ReLU(),
            expand=conv(M, 256, 1, 0),
        ),
        (256 * M + 9 * M * M + M * 256) * PIXELS, 69_632, Fraction(2) * Fraction(17, 18),
    ),
}  # fmt: skip


def test_every_layer_is_held_to_one_of_torchs() -> None:
    assert [f"layer_{name}" for name in LAYERS] == list(layers.VARIANTS)
    assert {found.init for found in layers.VARIANTS.values()} <= set(INITS)


@pytest.mark.parametrize("name", LAYERS)
def test_costs_are_the_formulas_and_torchs(name: str, macs_of: Callable[..., int]) -> None:
    reference, macs, weights, ratio = LAYERS[name]
    found = trace(network(name))
    with torch.device("meta"):
        theirs, image = reference(), torch.empty(1, *found.input.shape)
    assert dict(found.weights) == {key: tuple(tensor.shape) for key, tensor in theirs.state_dict().items()}
    assert found.rows[found.output].out.shape == tuple(theirs(image).shape[1:])
    total = cost(found)
    assert (total.params, total.macs) == (weights, macs)
    assert macs_of(theirs, image) == macs
    assert Fraction(total.macs, of("plain").macs) == ratio


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_gradients_are_torchs(name: str) -> None:
    torch.manual_seed(0)
    theirs = LAYERS[name][0]().double()
    ours = build(network(name)).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(2, network(name).channels, 13, 18, dtype=torch.float64)
    found, wanted = ours(image), theirs(image)
    assert wanted.abs().max() > 0.01
    assert torch.allclose(found, wanted, rtol=1e-9, atol=1e-12)
    ours_, theirs_ = (
        torch.autograd.grad(out.square().sum(), list(net.parameters()))
        for out, net in ((found, ours), (wanted, theirs))
    )
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-9) for a, b in zip(ours_, theirs_, strict=True))


# the docstrings' formulas, in k, M, N, pixels and each function's own option
FORMULAS: dict[str, Callable[[int, int, int, int], Fraction]] = {
    "plain": lambda k, m, n, p: Fraction(k * k * m * n * p),
    "grouped": lambda k, m, n, p: Fraction(k * k * m * n * p, 4),
    "depthwise": lambda k, m, n, p: Fraction(k * k * n * p),
    "separable": lambda k, m, n, p: (Fraction(1, n) + Fraction(1, k * k)) * k * k * m * n * p,
    "dilated": lambda k, m, n, p: Fraction(k * k * m * n * p),
    "tiled": lambda k, m, n, p: Fraction(k * k * m * n * p),
    "transposed": lambda k, m, n, p: Fraction(k * k * m * n * p),
    "spatial": lambda k, m, n, p: Fraction(k * m * n * p + k * n * n * p),
    "strided": lambda k, m, n, p: Fraction(k * k * m * n * p, 4),
    "pooled": lambda k, m, n, p: Fraction(k * k * m * n * p),
    "basic": lambda k, m, n, p: Fraction(k * k * n * (m + n) * p),
    "bottleneck": lambda k, m, n, p: (m + Fraction(k * k * m, 4) + n) * Fraction(m, 4) * p,
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(("kernel", "leave"), [(3, 128), (5, 192), (7, 64)])
def test_the_formulas_hold_for_other_kernels_and_widths(name: str, kernel: int, leave: int) -> None:
    enter = 64
    body = layers.LAYERS[name][0](leave, kernel=kernel)
    found = trace(Network(body, (24, 16), enter, leave))
    assert cost(found).macs == FORMULAS[name](kernel, enter, leave, 24 * 16)
    assert found.rows[found.output].out.channels == leave


def test_the_course_notes_bottleneck_has_fewer_weights_on_four_times_the_channels() -> None:
    basic, bottleneck = of("basic"), of("bottleneck")
    assert basic.params == (64 * (3 * 3 * 64)) * 2 == 73_728
    assert bottleneck.params == 256 * 1 * 1 * 64 + 64 * 3 * 3 * 64 + 64 * 1 * 1 * 256 == 69_632
    assert (basic.layers[-1].out[0], bottleneck.layers[-1].out[0]) == (64, 256)
    assert Fraction(bottleneck.params, basic.params) == Fraction(bottleneck.macs, basic.macs) == Fraction(17, 18)
    wide = cost(trace(Network(layers.basic(256), 56, 256, 256)))
    assert (wide.params, Fraction(wide.params, bottleneck.params)) == (1_179_648, Fraction(288, 17))
    (words,) = layers.VARIANTS["layer_bottleneck"].remarks
    assert all(word in words for word in ("69,632", "73,728", "0.944", "1,179,648", "16.9"))
    (words,) = layers.VARIANTS["layer_basic"].remarks
    assert all(word in words for word in ("69,632", "73,728", "0.944"))
    assert (round(17 / 18, 3), round(288 / 17, 1)) == (0.944, 16.9)


def test_a_1x1_has_the_linear_layers_weights_where_the_course_notes_say_4096() -> None:
    one, linear = (
        cost(trace(Network(body, 1, 25_000, 4096)))
        for body in (layers.plain(4096, kernel=1), Seq(flatten=Flatten, fc=Linear(4096, bias=False)))
    )
    assert (one.params, one.macs) == (linear.params, linear.macs) == (102_400_000, 102_400_000)
    assert "102,400,000" in layers.VARIANTS["layer_1x1"].remarks[0]


def test_two_3x3_cost_18_25ths_of_a_5x5_on_the_same_window() -> None:
    assert Fraction(of("basic").params, of("plain", kernel=5).params) == Fraction(18, 25)


def test_halving_by_stride_costs_a_quarter_of_halving_by_pooling() -> None:
    strided, pooled = of("strided"), of("pooled")
    assert strided.layers[-1].out.shape == pooled.layers[-1].out.shape == (64, 28, 28)
    assert (strided.params, 4 * strided.macs, strided.ops) == (pooled.params, pooled.macs, 0)
    assert pooled.ops == 64 * 28 * 28 * 4  # N R C comparisons


def support(name: str, **options: object) -> set[tuple[int, int]]:
    """Pixels, relative to the middle, on which one output pixel depends."""
    net = build(network(name, **options)).double()
    image = torch.randn(1, 64, 15, 15, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(image)[0, :, 7, 7].sum(), image)
    return {(r - 7, c - 7) for r, c in gradient[0].abs().sum(0).nonzero().tolist()}


def test_windows_are_what_the_docstrings_say() -> None:
    near = (-1, 0, 1)
    square = {(r, c) for r in near for c in near}
    assert support("1x1") == {(0, 0)}
    for name in ("plain", "grouped", "depthwise", "separable", "tiled", "spatial"):
        assert support(name) == square
    assert support("dilated") == {(2 * r, 2 * c) for r, c in square}
    assert max(support("dilated", dilation=3)) == (3, 3)
    assert max(support("basic")) == (2, 2)


@pytest.mark.parametrize("period", [1, 2, 3])
def test_a_tiled_layer_has_a_kernel_for_each_place_in_its_tile(period: int) -> None:
    total = of("tiled", period=period)
    assert (total.params, total.macs) == (period**2 * of("plain").params, of("plain").macs)
    net = build(network("tiled", period=period)).double()
    made = net(torch.ones(1, 64, 20, 20, dtype=torch.float64))[0, :, 1:-1, 1:-1]  # without the zeros around it
    assert len(made.flatten(1).unique(dim=1).T) == period**2
    assert torch.allclose(made[:, period:, period:], made[:, :-period, :-period])


def test_every_view_reads_a_tiled_layer() -> None:
    found = network("tiled")
    graph = trace(found)
    (field,) = receptive_field(graph)
    assert field == receptive_field(trace(network("plain")))[0]
    assert (field.rows.size, field.rows.jump, field.rows.start) == (3, 1, -1)
    about = describe(found, graph, layers.VARIANTS["layer_tiled"].remarks)
    assert about["layers"][0]["category"] == "convolution"
    assert about["conv_activations"] == 64 * PIXELS
    lines = table(about).splitlines()
    assert lines[0] == "layer_tiled (paper) · input 64×56×56 · puts out 64×56×56"
    assert lines[5].split() == ["conv", "tiled_conv", "64×56×56", "147,456", "115,605,504", "·", "200,704", "3"]
    assert lines[-1] == "note: 147,456 weights, 4 times the plain layer's, for as many MACs."
    assert "3×3 tiled conv, 64, period 2" in diagram(graph)


def test_a_depthwise_layer_does_not_mix_channels_and_a_separable_one_does() -> None:
    for name, slices in (("depthwise", 64), ("grouped", 4), ("separable", 1)):
        net = build(network(name)).double()
        image = torch.zeros(1, 64, 5, 5, dtype=torch.float64)
        image[0, 0] = 1
        assert int((net(image)[0].abs().sum((1, 2)) > 0).sum()) == 64 // slices


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (5, 3), (1, 1), (3, 1)])
def test_a_transposed_convolution_is_the_gradient_of_one_and_grows_by_its_stride(kernel: int, stride: int) -> None:
    net = build(network("transposed", kernel=kernel, stride=stride)).double()
    small = torch.randn(1, 64, 5, 7, dtype=torch.float64)
    large = torch.randn(1, 64, 5 * stride, 7 * stride, dtype=torch.float64, requires_grad=True)
    forward = nn.functional.conv2d(large, net.conv.weight, stride=stride, padding=(kernel - stride + 1) // 2)
    assert forward.shape == small.shape
    (wanted,) = torch.autograd.grad(forward, large, small)
    assert torch.allclose(net(small), wanted, rtol=1e-9, atol=1e-12)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ShapeError, match="64 channels to 65 do not divide into 64 groups"):
        trace(network("depthwise", 65))
    assert trace(network("depthwise", 128)).rows[-1].out.channels == 128
    with pytest.raises(ShapeError, match="groups"):
        trace(network("grouped", groups=3))
    with pytest.raises(SpecError):
        network("transposed", kernel=2, stride=4)


def test_numbers_in_the_words_are_the_layers() -> None:
    words, plain = inspect.getdoc(layers) or "", of("plain")
    found = (plain.macs, plain.params, of("basic").params, of("bottleneck").params)
    assert [n for n in found if f"{n:,}" not in words] == []
    assert "0.127" in layers.VARIANTS["layer_separable"].remarks[0]
    assert f"{of('tiled').params:,} weights, 4 times" in layers.VARIANTS["layer_tiled"].remarks[0]
    assert of("tiled").params == 4 * plain.params
    assert round(of("separable").macs / plain.macs, 3) == round(of("separable").params / plain.params, 3) == 0.127
    assert of("plain", kernel=5).macs * 9 == of("dilated").macs * 25
    large = cost(trace(network("plain"), 112))
    assert (of("transposed").layers[-1].out.shape[1:], large.macs) == ((112, 112), 4 * of("transposed").macs)


def test_a_gradient_reaches_every_weight() -> None:
    for name in LAYERS:
        net = build(network(name), seed=0)
        out: Tensor = net(torch.randn(1, network(name).channels, 8, 8))
        out.square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
