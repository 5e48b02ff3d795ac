"""What a unit sees, against the truth: where the gradient of that unit with respect to the image is not zero.

The built network runs in float64 with positive weights and biases, means in place of maxima, no normalisation, and an
activation that grows everywhere, so that no contribution can cancel, vanish or overflow. Units that see nothing are not
0 either: then no gate on them would have a gradient.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convsmith import build, cost, receptive_field, spec, trace
from convsmith.nn import layers
from convsmith.spec import (
    BACK,
    HERE,
    AvgPool,
    Branches,
    Cell,
    ChannelsFirst,
    ChannelsLast,
    Conv,
    ConvTranspose,
    Flatten,
    Gate,
    Gelu,
    Graph,
    Identity,
    LayerNorm,
    LayerScale,
    Linear,
    Network,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Residual,
    Seq,
    ShapeError,
    Shift,
    Shuffle,
    Sigmoid,
    SpecError,
    Split,
    Step,
    TiledConv,
)
from convsmith.spec.node import Join
from convsmith.views.reading import places
from convsmith.views.receptive_field import Axis, Field
from convsmith.views.region import Box, region
from convsmith.zoo import family, names

pytestmark = pytest.mark.usefixtures("one_thread")


class Growing(nn.Module):
    """2 - 1 / (1 + x) for x >= 0: between 1 and 2, and never flat."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 - 1 / (1 + x)


class Lifted(layers.Shift):
    """A shift with more than zeros coming in."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0.1


ACTIVATIONS = (
    nn.Tanh, nn.Sigmoid, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.GELU, nn.Softmax,
    layers.ScaledTanh,
)  # fmt: skip
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.LocalResponseNorm, nn.Dropout)


def positive(net: nn.Module) -> nn.Module:
    """The same network with nothing in it that could cancel. Each weight is one over how many are summed."""
    for path, module in list(net.named_modules()):
        new: nn.Module | None = None
        if isinstance(module, ACTIVATIONS):
            new = Growing()
        elif isinstance(module, NORMS):
            new = nn.Identity()
        elif isinstance(module, layers.SameMaxPool2d):
            new = layers.SameAvgPool2d(module.kernel_size, module.stride)
        elif isinstance(module, nn.MaxPool2d):
            new = nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
        elif isinstance(module, layers.Shift):
            new = Lifted(module.pixels)
        elif isinstance(module, nn.AdaptiveMaxPool2d):
            new = nn.AdaptiveAvgPool2d(module.output_size)
        if new is not None:
            parent, _, name = path.rpartition(".")
            net.get_submodule(parent)._modules[name] = new
    for key, weight in net.named_parameters():
        summed = weight[0].numel() if weight.dim() > 1 else 1
        weight.data.fill_(0.1 if key.endswith("bias") else 1 / summed)
    return net.double().eval().requires_grad_(False)


class Truth:
    """A built network that has seen one image, its rows' outputs kept. `only` are the rows of interest."""

    def __init__(self, network: Network, only: list[int]) -> None:
        self.graph = trace(network)
        self.made: dict[int, Tensor] = {}
        net = positive(build(network))
        for index in only:
            net.get_submodule(self.graph.rows[index].path).register_forward_hook(self._keep(index))
        self.image = torch.ones(1, *self.graph.input.shape, dtype=torch.float64, requires_grad=True)
        net(self.image)

    def _keep(self, index: int) -> Any:
        return lambda module, given, made: self.made.setdefault(index, made)

    def seen(self, row: int, unit: tuple[int, int]) -> Box | None:
        """The box around the gradient of the sum over all channels of a unit."""
        out, made = self.graph.rows[row].out, self.made[row]
        i, j = unit
        value = made.sum() if out.flat else made[0, i, j].sum() if out.last else made[0, :, i, j].sum()
        assert torch.isfinite(value)
        if not value.requires_grad:
            return None
        (gradient,) = torch.autograd.grad(value, self.image, retain_graph=True)
        pixels = (gradient[0] != 0).any(0).nonzero()
        if not len(pixels):
            return None
        (top, left), (bottom, right) = pixels.amin(0).tolist(), pixels.amax(0).tolist()
        return Box(top, bottom + 1, left, right + 1)


def layers_of(graph: Graph) -> list[int]:
    """Rows that are modules of the built network (joins and bare parameters are not), without auxiliary heads."""
    bare = (Join, LayerScale)
    return [i for i, row in enumerate(graph.rows) if row.tap is None and not isinstance(row.node, bare)]


def some_units(graph: Graph, row: int) -> list[tuple[int, int]]:
    """A middle unit, the corners, and one at an edge."""
    rows, cols = places(graph.rows[row].out)
    return sorted({(rows // 2, cols // 2), (0, 0), (rows - 1, cols - 1), (rows - 1, 0), (rows // 3, cols - 1)})


def compare(truth: Truth, row: int, units: list[tuple[int, int]]) -> None:
    """The region is the truth, and lies inside what the theory says of a map without borders."""
    tall, wide = receptive_field(truth.graph)[row].size
    for unit in units:
        box = region(truth.graph, row, unit)
        assert box == truth.seen(row, unit), (truth.graph.rows[row].path, unit)
        assert box is None or (box.bottom - box.top <= tall and box.right - box.left <= wide)


BODIES: dict[str, Node] = {
    "convolution": Seq(Conv(2, 3)),
    "stack": Seq(Conv(2, 3), Relu, Conv(2, 5), Norm()),
    "strides": Seq(Conv(2, 3, 2), Conv(2, 3), Conv(2, 3, 2)),
    "a stride that leaves pixels over": Seq(Conv(2, 3, 3, pad=0), Conv(2, 3), Conv(2, 3)),
    "no padding": Seq(Conv(2, 3, 2, pad=0), Conv(2, 4, pad=0)),
    "lopsided padding": Seq(Conv(2, 4, 2, pad=(0, 3, 2, 1)), Conv(1, 3)),
    "same padding": Seq(Conv(2, 3, 2, pad="same"), Conv(2, 3), Pool(3, 2, "same")),
    "asymmetric": Seq(Conv(2, (1, 7)), Conv(2, (5, 1), (2, 1))),
    "dilation": Seq(Conv(2, 3, dilation=2), Conv(2, 3, dilation=(3, 1))),
    "pools": Seq(AvgPool(2), Conv(2, 3), AvgPool(3, 2, 1)),
    "ceil": Seq(Conv(2, 3), Pool(3, 2, ceil=True), Conv(2, 3), AvgPool(2, 3, ceil=True)),
    "tiled": Seq(TiledConv(2, 3), TiledConv(2, 5, 3)),
    "channels last": Seq(Conv(4, 3), ChannelsLast, LayerNorm(), Linear(5), ChannelsFirst, Conv(2, 3)),
    "shuffle": Seq(Conv(4, 3), Shuffle(2), Conv(4, 3, groups=2)),
    "shift": Seq(Shift(2), Conv(2, 3), Shift(1), Conv(2, 3, 2)),
    "residual": Residual(Seq(a=Conv(3, 3), b=Conv(3, 3))),
    "residual with stride": Residual(Seq(a=Conv(4, 3, 2), b=Conv(4, 3)), Seq(s=Conv(4, 1, 2))),
    "branches": Branches(Seq(a=Conv(1)), Seq(b=Conv(2, 3), c=Conv(2, 3)), Seq(d=Conv(1, 5)), Seq(e=AvgPool(3, 1, 1))),
    "lopsided branches": Branches(Seq(a=Conv(1, 3, pad=(0, 2, 0, 2))), Seq(b=Conv(1, 3, pad=(2, 0, 2, 0)))),
    "branches of different jump": Branches(Seq(a=PoolTo(8)), Seq(b=Conv(1, 18, 2, pad=0))),
    "a shifted branch that ends": Branches(Identity, Seq(a=Shift(3), b=Conv(2, (1, 7)))),
    "split": Seq(stem=Conv(4, 3), s=Split(Identity, Seq(a=Conv(HERE, 5)))),
    "cell": Seq(stem=Conv(2, 3), c=Cell(("x",), out=("b", "c"), a=Step(Conv(2, 5), "x"), b=Step(Pool(3, 1, 1), "a"),
                                        c=Step(Conv(2, (1, 9)), "x", "a"))),
    "gate": Seq(a=Conv(4, 3), se=Gate(Seq(pool=PoolTo(1), fc=Conv(BACK), act=Sigmoid)), b=Conv(2, 3)),
    "spatial gate": Seq(a=Conv(4, 3), se=Gate(Seq(a=Conv(BACK, 7), act=Sigmoid)), b=Conv(2, 3)),
    "a gate of one unit": Seq(Conv(4, 3), Gate(Seq(a=Conv(BACK, 20, 20, pad=0))), Conv(2, 3)),
    "transposed, stride 1": Seq(ConvTranspose(2, 3)),
    "transposed, stride 1, padded": Seq(ConvTranspose(2, 5, pad=1, dilation=2)),
    "transposed": Seq(ConvTranspose(2, 4, 2, pad=1)),
    "transposed, odd kernel": Seq(ConvTranspose(2, 3, 2, pad=1, extra=1)),
    "transposed, then convolution": Seq(Conv(2, 3), ConvTranspose(2, 3, 2, pad=1, extra=1), Conv(2, 3)),
    "transposed, then stride": Seq(ConvTranspose(2, 5, 3, pad=1), Conv(2, 3, 2), Conv(2, 3)),
    "transposed, stride 3": Seq(ConvTranspose(2, 5, 3)),
    "transposed, dilated": Seq(ConvTranspose(2, 4, 3, dilation=2), Conv(2, 2, pad=0)),
    "transposed, stride and dilation of 2": Seq(ConvTranspose(2, 3, 2, dilation=2), Conv(2, 2, pad=0)),
    "transposed, holes": Seq(ConvTranspose(2, 1, 3), Conv(2, 3)),
    "transposed twice": Seq(ConvTranspose(2, 3, (2, 3)), ConvTranspose(2, 2, 2, pad=1), Conv(2, 3, 2)),
    "transposed after a stride": Seq(Conv(2, 3, 2), ConvTranspose(2, 2, 2)),
    "adaptive, even": Seq(Conv(2, 3), PoolTo(8)),
    "adaptive, overlapping": Seq(Conv(2, 3), PoolTo(5)),
    "adaptive, then convolution": Seq(Conv(2, 3), PoolTo((5, 7)), Conv(2, 3), Conv(2, 3)),
    "adaptive, enlarging": Seq(Conv(2, 3), PoolTo(48)),
    "adaptive, doubling": Seq(Conv(2, 3), PoolTo(64)),
    "adaptive, of a transposed": Seq(ConvTranspose(2, 3, 2), PoolTo(7)),
    "global": Seq(Conv(2, 3), PoolTo(1)),
    "vector": Seq(Conv(2, 3, 2), Flatten, Linear(3)),
}  # fmt: skip


WHOLE = ("gate", "global", "vector")
FINITE = (
    "branches of different jump", "a gate of one unit", "adaptive, even", "adaptive, overlapping",
    "adaptive, then convolution", "adaptive, enlarging", "adaptive, doubling", "adaptive, of a transposed",
)  # fmt: skip
"""Bodies whose windows grow with the image."""


def around(node: Node, side: int | tuple[int, int]) -> Network:
    """A network that ends in the rows of the node: joins are no modules, so that something one-to-one follows."""
    return Network(Seq(body=node, end=Relu), side, 3, classes=1)


@pytest.mark.parametrize("name", BODIES)
def test_a_region_is_the_support_of_the_inputs_gradient(name: str) -> None:
    """Every unit of the diagonal."""
    network = around(BODIES[name], 32)
    last = len(trace(network).rows) - 1
    truth = Truth(network, [last])
    rows, cols = places(truth.graph.rows[last].out)
    units = [(i * rows // max(rows, cols), i * cols // max(rows, cols)) for i in range(max(rows, cols))]
    compare(truth, last, units)
    field = receptive_field(truth.graph)[last]
    assert field.whole is (name in WHOLE)
    if name in FINITE:
        boxes = [box for unit in units if (box := region(truth.graph, last, unit)) is not None]
        assert max(box.bottom - box.top for box in boxes) == min(field.rows.size, 32)
        assert max(box.right - box.left for box in boxes) == min(field.cols.size, 32)


@pytest.mark.parametrize("name", [name for name in BODIES if name not in (*WHOLE, *FINITE)])
def test_far_from_borders_the_theory_is_the_truth(name: str) -> None:
    """Windows in the middle of a large image are as large as it says and begin where it says, `jump` pixels apart."""
    graph, side = trace(BODIES[name], 120), 120
    rows, cols = places(graph.rows[-1].out)
    for axis, units in enumerate((rows, cols)):
        theory, found = receptive_field(graph)[-1][axis], []
        for unit in range(units // 3, 2 * units // 3):
            box = region(graph, len(graph.rows) - 1, (unit, cols // 2) if axis == 0 else (rows // 2, unit))
            if box is not None:
                found.append(box[2 * axis + 1] - box[2 * axis])
                assert unit % 12 or box[2 * axis] == theory.start + unit * theory.jump  # transposed: periods of 2 to 12
        assert max(found) == theory.size < side // 3


one_to_one = st.sampled_from([
    Relu, Gelu, Norm(), Conv(HERE), Conv(HERE, 3), Conv(HERE, 3, dilation=2), Conv(HERE, (1, 5)), Conv(HERE, (5, 1)),
    Conv(HERE, 3, groups=HERE), Conv(HERE, 3, pad=(0, 2, 2, 0)), Conv(HERE, 4, pad="same"), Pool(3, 1, 1),
    AvgPool(3, 1, 1, count_pad=False), Pool(2, 1, "same"), ConvTranspose(HERE, 3, pad=1), TiledConv(HERE, 3), Shift(1),
    Shuffle(2), Seq(last=ChannelsLast, norm=LayerNorm(), fc=Linear(HERE), first=ChannelsFirst),
])  # fmt: skip
resizing = st.sampled_from([
    Conv(4, 3, 2), Conv(4, 3, 2, pad=0), Conv(4, 3, 2, pad="same"), Conv(4, 2, 3, pad=(0, 1, 1, 0)), Pool(2),
    Pool(3, 2, ceil=True), AvgPool(3, 2, 1, ceil=True), Pool(3, 2, "same"), PoolTo((3, 4)), PoolTo(5, "max"),
    ConvTranspose(4, 3, 2, pad=1, extra=1), ConvTranspose(4, 2, 2), ConvTranspose(4, 1, 2), ConvTranspose(4, 3, (1, 3)),
    ConvTranspose(4, 2, 3, dilation=2), Residual(Seq(a=Conv(4, 3, 2), b=Conv(4, 5)), Seq(side=Conv(4, 1, 2))),
])  # fmt: skip


def named(prefix: str, nodes: list[Node]) -> Seq:
    return Seq(**{f"{prefix}{i}": node for i, node in enumerate(nodes)})


def blocks(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(inner, min_size=1, max_size=2)
    four = Conv(4)  # so that widths meet, and all channels of a place have seen the same
    return st.one_of(
        st.builds(lambda ns: Seq(*ns), some),
        st.builds(lambda ns: Residual(named("a", [*ns, four])), some),
        st.builds(lambda ns, ms: Seq(x=Branches(named("a", ns), Identity, b=named("c", ms)), mix=four), some, some),
        st.builds(lambda ns: Seq(mix=four, x=Split(Identity, named("b", ns)), mixed=four), some),
        st.just(Gate(Seq(pool=PoolTo(1), fc=Conv(BACK), act=Sigmoid))),
        st.builds(lambda n: Gate(Seq(a=n, fc=Conv(BACK), act=Sigmoid)), inner),
        st.builds(
            lambda n, m: Cell(("x",), out=("c",), a=Step(n, "x"), b=Step(m, "x", "a"), c=Step(four, "b", "x")),
            inner, inner,
        ),
    )  # fmt: skip


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Blocks with layers between them that shrink or enlarge the map; what is too small to exist is drawn again."""
    bodies = st.recursive(one_to_one, blocks, max_leaves=5)
    parts: dict[str, Node] = {"stem": Conv(4)}
    for i in range(draw(st.integers(1, 3))):
        parts[f"body{i}"] = draw(bodies)
        if draw(st.booleans()):
            parts[f"resize{i}"] = draw(resizing)
    if draw(st.integers(0, 3)) == 0:
        parts |= {"flatten": Flatten, "fc": Linear(2)}
    sides: list[int | tuple[int, int]] = [11, 16, (9, 20)]
    return Network(Seq(**parts, end=Relu), draw(st.sampled_from(sides)), 1, 4)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(networks(), st.randoms(use_true_random=False))
def test_regions_of_random_networks_are_the_truth(network: Network, chance: Any) -> None:
    try:
        graph = trace(network)
    except ShapeError:  # too small for a shift, or halves of another size
        return
    rows = [*chance.sample(layers_of(graph), min(3, len(layers_of(graph)))), len(graph.rows) - 1]
    truth = Truth(network, sorted(set(rows)))
    for row in truth.made:
        high, wide = places(graph.rows[row].out)
        units = [(chance.randrange(high), chance.randrange(wide)) for _ in range(3)]
        compare(truth, row, [*some_units(graph, row), *units])
        if receptive_field(graph)[row].whole and not any(isinstance(row.node, Shift) for row in graph.rows):
            boxes = {truth.seen(row, unit) for unit in units} - {None}
            assert len(boxes) <= 1  # all units see the same


FAMILIES = tuple(dict.fromkeys(map(family, names())))


def smallest(paper: str) -> str:
    """The family's variant of fewest MACs."""
    return min((name for name in names() if family(name) == paper), key=lambda name: cost(trace(spec(name))).macs)


def works(network: Network, side: int) -> bool:
    try:
        trace(network, side)
    except ShapeError:
        return False
    return True


def check(network: Network, how_many: int) -> None:
    """Some narrow rows, the two widest of those that do not see all yet, and the last ones."""
    graph = trace(network)
    fields = receptive_field(graph)
    rows = [i for i in layers_of(graph) if not fields[i].whole]
    narrow = [i for i in rows if max(fields[i].size) < graph.input.rows]
    chosen = {*narrow[-2:], *narrow[:: max(1, len(narrow) // 3)], *rows[-1:], *layers_of(graph)[-how_many:]}
    truth = Truth(network, sorted(chosen))
    for row in chosen:
        compare(truth, row, some_units(graph, row))


@pytest.mark.slow
@pytest.mark.parametrize("paper", FAMILIES)
def test_regions_of_every_family_are_the_truth(paper: str) -> None:
    """At a small side, where units deep inside do not see everything yet."""
    network = spec(smallest(paper))
    if paper == "inception_v3":  # its auxiliary head wants 299 pixels
        network = spec(network.name, aux=False)
    assert isinstance(network.side, int)
    sides = (side for side in (min(64, network.side), 96, network.side) if works(network, side))
    check(replace(network, side=next(sides)), 1)


# a kind of graph each: towers, branches, shortcuts, dense, gated, shuffled, cells, channels last
NATIVE = (
    "lenet", "alexnet", "googlenet", "resnet", "inception_v3", "densenet", "nasnet", "shufflenet_v2", "efficientnet",
    "convnext",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("paper", NATIVE)
def test_regions_of_families_are_the_truth_at_their_own_side(paper: str) -> None:
    check(spec(smallest(paper)), 3)


def test_a_generators_regions_are_the_truth() -> None:
    check(replace(spec("dcgan_generator"), side=6), 3)


def test_a_corner_is_clipped() -> None:
    graph = trace("vgg16")
    pool5 = [row.path for row in graph.rows].index("features.30")
    assert region(graph, pool5, (3, 3)) == (6, 218, 6, 218)  # 212 pixels, -90 + 3 * 32 the first
    assert region(graph, pool5, (0, 0)) == (0, 122, 0, 122)
    assert region(graph, pool5, (0, 6)) == (0, 122, 102, 224)
    assert region(graph, -1) == (0, 224, 0, 224)


def test_a_unit_that_sees_nothing_has_no_region() -> None:
    assert region(trace(Shift(2), 9), 0, (8, 0)) is None
    assert region(trace(ConvTranspose(1, 1, 2), 4), 0, (1, 1)) is None
    assert receptive_field(trace(Shift(2), 9)) == (Field(Axis(1, 1, 2, 1), Axis(1, 1, 2, 1)),)


def test_a_region_is_found_fast_also_where_windows_are_huge() -> None:
    graph = trace(Seq(Conv(1, 2**30, pad=2**30), Conv(1, 3, 2**30)), 8)
    assert region(graph, 1) is not None


@pytest.mark.parametrize(("row", "unit", "message"), [
    (2, (0, 0), "there is no row 2: the graph has 2, numbered from 0"),
    (-3, (0, 0), "there is no row -3: the graph has 2, numbered from 0"),
    (0, (8, 0), "conv: there is no unit (8, 0); its map is 8×6, from (0, 0)"),
    (1, (0, -1), "flat: there is no unit (0, -1); its map is 1×1, from (0, 0)"),
])  # fmt: skip
def test_units_that_are_not_there_are_refused(row: int, unit: tuple[int, int], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        region(trace(Seq(conv=Conv(2, 3), flat=Flatten), (8, 6)), row, unit)
    assert str(caught.value) == message
