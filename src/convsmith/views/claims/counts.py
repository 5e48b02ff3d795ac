"""What claims about whole networks are computed with: pure functions of names in the zoo, each giving a tuple.

All numbers come from traces; ratios are exact fractions. MACs are those of `convsmith.views.cost`, for one image.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import prod

from convsmith.spec.node import Category
from convsmith.spec.trace import Graph, Row, trace
from convsmith.views.cost import BYTES, FREE, Cost, cost
from convsmith.views.figures import depth
from convsmith.views.receptive_field import receptive_field
from convsmith.zoo import spec
from convsmith.zoo.efficientnet import compound

WEIGHTED: tuple[Category, ...] = ("convolution", "linear")


@cache
def graph(name: str, side: int | None = None) -> Graph:
    """The trace of a variant, at its own input size if no other is given."""
    return trace(spec(name), side)


@cache
def costs(name: str, side: int | None = None) -> Cost:
    """The cost of a variant, without auxiliary heads."""
    return cost(graph(name, side))


def rows(name: str, *categories: Category) -> list[Row]:
    """Its layers of these categories in execution order, without auxiliary heads."""
    return [row for row in graph(name).rows if row.tap is None and row.node.category in categories]


def params(*names: str) -> tuple[int, ...]:
    """Parameters of each variant."""
    return tuple(costs(name).params for name in names)


def macs(*names: str) -> tuple[int, ...]:
    """MACs of each variant."""
    return tuple(costs(name).macs for name in names)


def macs_at(name: str, *sides: int) -> tuple[int, ...]:
    """MACs of one variant for images of each side."""
    return tuple(costs(name, side).macs for side in sides)


def macs_at_own_sides(*cases: tuple[str, int]) -> tuple[int, ...]:
    """MACs of each variant for images of the side beside it."""
    return tuple(costs(name, side).macs for name, side in cases)


def macs_and_params(name: str) -> tuple[int, int]:
    """Both of one variant."""
    return costs(name).macs, costs(name).params


def depths(*names: str) -> tuple[int, ...]:
    """Layers with weights on the longest way through each variant."""
    return tuple(depth(graph(name)) for name in names)


def layers(name: str, *categories: Category) -> tuple[int]:
    """How many layers there are of these categories together."""
    return (len(rows(name, *categories)),)


def kernels(name: str) -> tuple[int, ...]:
    """The sides of its convolutions' kernels, each once, ascending."""
    return tuple(sorted({row.facts.window.kernel[0] for row in rows(name, "convolution") if row.facts.window}))


def strides(name: str) -> tuple[int, ...]:
    """The strides of its convolutions and pools, each once, ascending."""
    windows = [row.facts.window for row in rows(name, "convolution", "pooling")]
    return tuple(sorted({int(window.stride[0]) for window in windows if window}))


def windows(name: str) -> tuple[int, ...]:
    """Kernel and stride, each pair once, of its convolutions and then of its pools."""
    found = [row.facts.window for row in rows(name, "convolution") + rows(name, "pooling")]
    pairs = dict.fromkeys((window.kernel[0], int(window.stride[0])) for window in found if window)
    return tuple(number for window in pairs for number in window)


def first_windows(*names: str) -> tuple[int, ...]:
    """Kernel and stride of each variant's first convolution."""
    firsts = [rows(name, "convolution")[0].facts.window for name in names]
    return tuple(number for window in firsts if window for number in (window.kernel[0], int(window.stride[0])))


def widths(name: str, *paths: str) -> tuple[int, ...]:
    """Channels that leave the layers at these paths."""
    found = {row.path: row.out.channels for row in graph(name).rows}
    return tuple(found[path] for path in paths)


def first_side(name: str, side: int) -> tuple[int]:
    """Side of the first convolution's maps for images of `side`."""
    return (graph(name, side).rows[0].out.rows,)


def sides(name: str) -> tuple[int, ...]:
    """The sides of its maps from the first convolution to the last pooling, each once, descending."""
    found = {row.out.rows for row in rows(name, "convolution", "pooling")}
    return tuple(sorted(found, reverse=True))


def tensor_sizes(name: str) -> tuple[int, ...]:
    """Side and channels of the input and of each output of convolutions, pools and linear layers, in order."""
    sigs = [graph(name).input, *(row.out for row in rows(name, "convolution", "pooling", "linear"))]
    return tuple(number for sig in sigs for number in (sig.rows, sig.channels))


def output_shape(name: str) -> tuple[int, int]:
    """Side and channels of what leaves."""
    end = graph(name).rows[graph(name).output].out
    return end.rows, end.channels


def inception_parts(name: str) -> tuple[int, int]:
    """Inception modules, and convolutions outside of them."""
    paths = [row.path for row in rows(name, "convolution")]
    modules = {path.split(".")[0] for path in paths if path.startswith("inception")}
    return len(modules), sum(not path.startswith("inception") for path in paths)


def stage_ratios(name: str) -> tuple[Fraction, ...]:
    """How many times as many channels leave each stage (`layer1` ...) as the one before."""
    ends = {row.path.split(".")[0]: row.out.channels for row in graph(name).rows if row.path.startswith("layer")}
    return tuple(Fraction(after, before) for before, after in pairwise(ends.values()))


def added_channels(name: str, block: str) -> tuple[Fraction]:
    """Channels that a dense block's last layer adds, over those that its second one adds."""
    ends = [row.out.channels for row in graph(name).rows if row.path.startswith(f"{block}.") and row.kind == "concat"]
    return (Fraction(ends[-1] - ends[-2], ends[1] - ends[0]),)


def weight_tensors(name: str) -> tuple[int, ...]:
    """Weights of each convolution and linear layer, in order, without biases."""
    return tuple(prod(row.facts.weights[0].shape) for row in rows(name, *WEIGHTED))


def biases(name: str) -> tuple[int, ...]:
    """Biases of each convolution and linear layer, in order."""
    return tuple(row.facts.params - prod(row.facts.weights[0].shape) for row in rows(name, *WEIGHTED))


def params_by_layer(name: str) -> tuple[int, ...]:
    """Parameters of each convolution and linear layer, in order, and of all together."""
    return (*(row.facts.params for row in rows(name, *WEIGHTED)), costs(name).params)


def params_ratios(name: str, *others: str) -> tuple[Fraction, ...]:
    """Parameters of one variant over those of each other."""
    return tuple(Fraction(costs(name).params, costs(other).params) for other in others)


def macs_ratios(name: str, *others: str) -> tuple[Fraction, ...]:
    """MACs of one variant over those of each other."""
    return tuple(Fraction(costs(name).macs, costs(other).macs) for other in others)


def macs_and_params_ratio(name: str, other: str) -> tuple[Fraction, Fraction]:
    """MACs and parameters of one variant over those of another."""
    return macs_ratios(name, other)[0], params_ratios(name, other)[0]


def share(column: str, category: Category, *names: str) -> tuple[Fraction, ...]:
    """Share of a category in `params`, `macs` or `activations` of each variant."""
    return tuple(
        Fraction(
            sum(getattr(row, column) for row in costs(name).layers if row.category == category),
            getattr(costs(name), column),
        )
        for name in names
    )


def linear_params_ratio(name: str, other: str) -> tuple[Fraction]:
    """Parameters of the linear layers of one variant over those of another's."""
    held = [sum(row.facts.params for row in rows(one, "linear")) for one in (name, other)]
    return (Fraction(*held),)


def largest_pool_over_smallest_conv(name: str) -> tuple[Fraction]:
    """Operations of the pool that has most over MACs of the convolution that has least."""
    ops = max(row.facts.ops for row in rows(name, "pooling"))
    return (Fraction(ops, min(row.facts.macs for row in rows(name, "convolution"))),)


def shares_by_kind(name: str, column: str, *kinds: str) -> tuple[Fraction, ...]:
    """Shares in `macs` or `weights` (without biases) of kinds: "1x1", "grouped" and "full" convolutions, "linear"."""
    totals: dict[str, int] = {}
    for row in rows(name, *WEIGHTED):
        shape = row.facts.weights[0].shape
        work = row.facts.macs if column == "macs" else prod(shape)
        kind = _kind(shape, graph(name).sigs(row)[0].channels)
        totals[kind] = totals.get(kind, 0) + work
    return tuple(Fraction(totals[kind], sum(totals.values())) for kind in kinds)


def _kind(shape: tuple[int, ...], channels: int) -> str:
    """Of a layer with this weight, on so many channels."""
    if len(shape) == 2:
        return "linear"
    if shape[1] < channels:
        return "grouped"
    return "1x1" if shape[2:] == (1, 1) else "full"


def convolution_macs_ratio(name: str, side: int, other: int) -> tuple[Fraction]:
    """MACs of the convolutions for images of `side` over those for images of `other`."""
    held = [
        sum(row.macs for row in costs(name, size).layers if row.category == "convolution") for size in (side, other)
    ]
    return (Fraction(*held),)


def compound_cost() -> tuple[Fraction]:
    """How many times EfficientNet's computation one step of compound scaling makes, alpha * beta^2 * gamma^2."""
    width, deep, side = map(Fraction, map(str, compound(1)))
    return (deep * width**2 * side**2,)


def held(name: str) -> tuple[int, ...]:
    """Values of the input and of each output, but for layers that can overwrite their input, in order."""
    kept = [row.activations for row in costs(name).layers if row.category not in FREE]
    return (graph(name).input.elements, *kept)


def held_sum(name: str) -> tuple[int]:
    """The sum of `held`."""
    return (costs(name).in_place_activations,)


def held_bytes(name: str) -> tuple[int]:
    """Bytes of `held` in float32."""
    return (costs(name).in_place_activations * BYTES,)


def held_ratio(name: str, other: str) -> tuple[Fraction]:
    """`held_sum` of one variant over that of another."""
    return (Fraction(costs(name).in_place_activations, costs(other).in_place_activations),)


def first_share(name: str, count: int) -> tuple[Fraction]:
    """Share of the outputs of the first `count` convolutions in `held_sum`."""
    early = sum(row.out.elements for row in rows(name, "convolution")[:count])
    return (Fraction(early, costs(name).in_place_activations),)


def weight_bytes(name: str, unit: int = 1) -> tuple[Fraction]:
    """Bytes of its weights in float32, in units of `unit` bytes."""
    return (Fraction(costs(name).weight_bytes, unit),)


def field_ratio(name: str, other: str, path: str) -> tuple[Fraction]:
    """Receptive field at the layer `path` of one variant over that of another."""
    found = []
    for one in (name, other):
        index = next(i for i, row in enumerate(graph(one).rows) if row.path == path)
        found.append(receptive_field(graph(one))[index].rows.size)
    return (Fraction(*found),)
