"""Laws that hold for every description, tried on random ones: residuals, branches, splits, gates and cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convsmith.nn import build
from convsmith.spec import (
    BACK,
    HERE,
    IN,
    AvgPool,
    Branches,
    Cell,
    Chain,
    Conv,
    ConvTranspose,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    Gelu,
    HardSwish,
    Identity,
    Linear,
    LocalNorm,
    Network,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Relu6,
    Residual,
    Scale,
    Seq,
    Sigmoid,
    Silu,
    Split,
    Step,
    Tap,
    content_hash,
    dumps,
    loads,
    trace,
)
from convsmith.spec.node import Join

pytestmark = pytest.mark.usefixtures("one_thread")

few = st.integers(1, 6)
ONE_TO_ONE: list[Node] = [
    Relu, Relu6, Silu, Gelu, HardSwish, Identity, Norm(), Norm(1e-3, 0.01), Scale(0.5, bias=True), Dropout(0.2),
    DropPath(0.1),
    LocalNorm(3), Pool(3, 1, 1), AvgPool(3, 1, 1, count_pad=False), Conv(HERE, 3, groups=HERE), Conv(HERE * 2),
    ConvTranspose(HERE, 3, pad=1),
]  # fmt: skip
SHRINKING: list[Node] = [
    Pool(3, 2, 1), AvgPool(3, 2, 1, ceil=True), Pool(2, 2, ceil=True), Conv(4, 3, 2), Conv(6, 3, 2, pad="same"),
    Conv(4, 2, 2, pad="same"),
    Conv(2, 3, 2, pad=(0, 2, 1, 1)), ConvTranspose(3, 3, 2, pad=1, extra=1), PoolTo((2, 3)), PoolTo(3, "max"),
    Residual(Seq(a=Conv(5, 3, 2), b=Norm()), Seq(side=Conv(5, 1, 2)), Relu), Residual(Seq(a=Conv(HERE, 3, 2))),
]  # fmt: skip
same_size_convs = st.builds(
    Conv, few, st.sampled_from([1, 3, 5, (1, 3), (3, 1)]), dilation=st.integers(1, 2), bias=st.booleans(),
    pad=st.sampled_from([None, "same"]),
) | st.builds(lambda out: Conv(out, 3, pad=(0, 2, 2, 0)), few)  # fmt: skip
one_to_one = same_size_convs | st.sampled_from(ONE_TO_ONE)


def sequences(parts: st.SearchStrategy[Node], least: int = 1, most: int = 3) -> st.SearchStrategy[Seq]:
    return st.lists(parts, min_size=least, max_size=most).flatmap(
        lambda nodes: st.sampled_from([Seq(*nodes), Seq(**{f"step{i}": node for i, node in enumerate(nodes)})])
    )


def named(prefix: str, nodes: list[Node]) -> Seq:
    """Children whose names no sibling has, for blocks that add no path segment."""
    return Seq(**{f"{prefix}{i}": node for i, node in enumerate(nodes)})


def blocks(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """Combinators around nodes that keep rows and columns."""
    some = st.lists(inner, min_size=1, max_size=2)
    return st.one_of(
        sequences(inner),
        # widths differ or not: both sides of the residual rule
        st.builds(lambda ns, after: Residual(named("a", ns), after=after), some, st.sampled_from([Relu, Identity])),
        st.builds(lambda ns: Residual(named("a", [*ns, Conv(IN)])), some),
        st.builds(
            lambda ns, out, when: Residual(named("a", [*ns, Conv(out, 3)]), Seq(side=Conv(out)), Relu, when=when),
            some, few, st.sampled_from(["needed", "always"]),
        ),
        st.builds(lambda ns, ms: Branches(named("a", ns), Identity, b=named("c", ms)), some, some),
        st.builds(lambda ns, ms: Chain(named("a", ns), Branches(named("b", ms), Identity)), some, some),
        st.builds(lambda ns, m: Seq(even=Conv(HERE * 2), halves=Split(Identity, named("b", [*ns, m]))), some, inner),
        st.builds(
            lambda n: Gate(Seq(pool=PoolTo(1), fc1=Conv(BACK // 2), act=Silu, extra=n, fc2=Conv(BACK), end=Sigmoid)),
            st.sampled_from([Relu, Conv(3), Norm()]),
        ),
        st.builds(
            lambda n, m: Cell(
                inputs=("x",), out=("c", "d"), a=Step(n, "x"), b=Step(m, "x", "a", join="concat"), c=Step(Conv(4), "b"),
                d=Step(Cell(("p", "q"), out=("r",), r=Step(Seq(Conv(2), Relu), "p", "q", join="concat")), "x", "a"),
            ),
            inner, inner,
        ),
    )  # fmt: skip


bodies = st.recursive(one_to_one, blocks, max_leaves=6)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """A stem, blocks with shrinking layers between them, sometimes an auxiliary head, and a linear end."""
    stages: dict[str, Node] = {"stem": Conv(draw(st.integers(2, 4)), 3)}
    for i in range(draw(st.integers(1, 3))):
        stages[f"stage{i}"] = draw(bodies)
        if draw(st.booleans()):
            stages[f"shrink{i}"] = draw(st.sampled_from(SHRINKING))
    if draw(st.booleans()):
        stages["aux"] = Tap(Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(3)))
    stages |= {
        "pool": PoolTo(draw(st.sampled_from([1, 2]))),
        "flatten": Flatten,
        "fc": Linear(HERE // 2),
        "head": Linear(3),
    }
    side = draw(st.sampled_from([9, 12, (8, 11)]))
    return Network(Seq(**stages), side, draw(st.sampled_from([1, 3])), 3, name=draw(st.sampled_from(["a", "β"])))


fast = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@fast
@given(networks())
def test_json_gives_back_the_same_network(network: Network) -> None:
    again = loads(dumps(network))
    assert again == network
    assert content_hash(again) == content_hash(network)
    assert trace(again) == trace(network)


@fast
@given(networks())
def test_the_built_module_has_the_traced_shapes_weights_and_multiply_adds(
    macs_of: Callable[..., int], network: Network
) -> None:
    graph = trace(network)
    net = build(network).eval()
    assert {key: tuple(t.shape) for key, t in net.state_dict().items()} == graph.weights
    assert sum(p.numel() for p in net.parameters()) == sum(row.facts.params for row in graph.rows)

    seen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def watch(path: str) -> Callable[..., None]:
        def hook(_: Any, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
            seen[path] = tuple(given[0].shape[1:]), tuple(made.shape[1:])

        return hook

    rows = {row.path: row for row in graph.rows if not isinstance(row.node, Join)}
    for path, module in net.named_modules():
        if path in rows:
            module.register_forward_hook(watch(path))
    macs = macs_of(net, torch.randn(1, *graph.input.shape))
    ran = {path: (graph.sigs(row)[0].shape, row.out.shape) for path, row in rows.items() if row.tap is None}
    assert seen == ran  # what enters a layer tells the shapes of the joins before it
    assert macs == sum(row.facts.macs for row in graph.rows if row.tap is None)


@fast
@given(st.lists(one_to_one, min_size=1, max_size=3), st.lists(one_to_one, min_size=1, max_size=3))
def test_the_cost_of_two_parts_in_a_row_is_the_sum_of_their_costs(first: list[Node], second: list[Node]) -> None:
    def numbers(node: Node, channels: int) -> tuple[int, int, int, int]:
        rows = trace(node, 9, channels).rows
        return (
            rows[-1].out.channels, sum(r.facts.macs for r in rows), sum(r.facts.ops for r in rows),
            sum(r.facts.params for r in rows)
        )  # fmt: skip

    parts = [Seq(Relu, *nodes) for nodes in (first, second)]  # neither is empty
    middle, *a = numbers(parts[0], 4)
    end, *b = numbers(parts[1], middle)
    assert numbers(Seq(*parts), 4) == (end, *(x + y for x, y in zip(a, b, strict=True)))
