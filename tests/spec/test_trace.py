"""What the trace promises beside shapes: numbers that agree with the weights, and a collector left alone."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
from math import prod
from typing import Any

import pytest

from convsmith import spec
from convsmith.spec import (
    HERE,
    IN,
    Branches,
    Chain,
    Conv,
    Flatten,
    Identity,
    Linear,
    Network,
    Node,
    Norm,
    PoolTo,
    Relu,
    Residual,
    Seq,
    ShapeError,
    Sig,
    trace,
)
from convsmith.spec.trace import Graph, Row
from convsmith.spec.tracer import At, Signal, Tracer
from convsmith.spec.widths import Scope
from convsmith.zoo import VARIANTS


def numbers(graph: Graph) -> list[tuple[Any, ...]]:
    return [(*row[:3], *row.facts[:6], row.facts.weights, row.facts.window, row.tap) for row in graph.rows]


@pytest.mark.parametrize("name", VARIANTS)
def test_params_and_buffers_are_those_of_the_weights(name: str) -> None:
    graph = trace(spec(name))
    for row in graph.rows:
        sizes = [(prod(w.shape), w.trainable) for w in row.facts.weights]
        assert row.params == sum(size for size, trained in sizes if trained), row.path
        assert row.buffers == sum(size for size, trained in sizes if not trained), row.path
        assert row.activations == row.out.elements == prod(row.out.shape), row.path
        assert row.reads == sum(sig.elements for sig in graph.sigs(row)), row.path


def walked_one_by_one(monkeypatch: pytest.MonkeyPatch, network: Network) -> Graph:
    """The trace without anything known: every layer is asked, and no block is copied."""

    def part(self: Tracer, node: Node, at: At, prefix: str, scope: Scope) -> At:
        return node.flow(self, at, prefix, scope)

    class Forgetful(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            return default

    def signal(self: Tracer, sig: Sig) -> Signal:
        fresh = Signal(sig)
        fresh.moves = Forgetful()
        return fresh

    with monkeypatch.context() as patch:
        patch.setattr(Tracer, "part", part)
        patch.setattr(Tracer, "_signal", signal)
        return trace(network)


@pytest.mark.parametrize(
    "name", ["resnet50", "densenet121", "mobilenet_v2", "efficientnet_b0", "googlenet", "nasnet_a_mobile"]
)
def test_knowing_moves_and_copying_blocks_changes_no_row(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    network = spec(name)
    assert numbers(walked_one_by_one(monkeypatch, network)) == numbers(trace(network))


@pytest.mark.parametrize("nested", [False, True])
def test_a_block_that_stands_twice_is_copied_with_what_it_reads(nested: bool) -> None:
    block = Residual(Seq(conv=Conv(HERE, 3), norm=Norm()), after=Relu)
    graph = trace(Seq(Conv(8), Seq(block, Seq(block)), block) if nested else Seq(Conv(8), block, block, block), 8)
    read = [graph.rows[i].kind for row in graph.rows if row.kind == "add" for i in row.inputs]
    assert read == ["norm", "conv", "norm", "relu", "norm", "relu"]
    assert [row.inputs for row in graph.rows[5:9]] == [(4,), (5,), (6, 4), (7,)]


def test_sequences_in_sequences_keep_their_paths_and_identities_leave_no_row() -> None:
    body = Seq(a=Seq(Seq(x=Conv(4)), Identity, Seq()), b=Identity, c=Seq(head=Seq(PoolTo(1), Flatten, Linear(2))))
    assert [row.path for row in trace(body, 8).rows] == ["a.0.x", "c.head.0", "c.head.1", "c.head.2"]


def test_an_equal_layer_elsewhere_does_not_lend_its_width() -> None:
    wide = Conv(IN * 2)
    body = Seq(
        Residual(Seq(a=wide, b=Conv(IN))),
        Conv(16),
        Residual(Seq(a=wide, b=Conv(IN))),
        Branches(x=Seq(wide), y=Seq(wide)),
    )
    assert [row.out.channels for row in trace(body, 4, 8).rows] == [16, 8, 8, 16, 32, 16, 16, 32, 32, 64]


def test_a_temporary_node_never_stands_for_another() -> None:
    class Fleeting(Node):
        kind = "fleeting"

        def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
            for width in (*range(1, 60), *range(60, 0, -1)):
                at = tracer.layer(Conv(width), at, f"{prefix}{len(tracer.rows)}", scope)
                at = tracer.layer(Conv(HERE * 2), at, f"{prefix}{len(tracer.rows)}", scope)
            return at

    widths = [row.out.channels for row in trace(Seq(a=Fleeting()), 4).rows]
    assert widths == [n for width in (*range(1, 60), *range(60, 0, -1)) for n in (width, 2 * width)]


def test_a_copied_description_traces_as_the_first_one_did() -> None:
    network = spec("mobilenet_v2")
    wanted = numbers(trace(network))
    for made in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):  # nodes of other identities
        assert numbers(trace(made)) == wanted


def test_an_error_names_the_layer_once_however_deep_it_stands() -> None:
    body = Seq(a=Seq(b=Residual(Seq(c=Chain(Seq(d=Seq(e=Conv(4, 9, pad=0))))))))
    with pytest.raises(ShapeError, match=r"^a\.b\.c\.d\.e: the image is too small: 4×4 here"):
        trace(body, 4)


@pytest.mark.parametrize("collecting", [True, False])
def test_the_collector_is_left_as_it_was(collecting: bool) -> None:
    was = gc.isenabled()
    (gc.enable if collecting else gc.disable)()
    try:
        trace(spec("resnet18"))
        with pytest.raises(ShapeError):
            trace(Seq(Conv(4, 9, pad=0)), 4)
        assert gc.isenabled() is collecting
        assert gc.get_freeze_count() == 0
    finally:
        (gc.enable if was else gc.disable)()


trace_module = sys.modules["convsmith.spec.trace"]


def test_frozen_objects_of_the_program_stay_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_module, "_frozen", False)
    mine: list[object] = []

    def seen() -> bool:
        return any(one is mine for one in gc.get_objects())  # which leaves out what is frozen

    assert seen()
    gc.freeze()
    try:
        trace(spec("resnet18"))
        assert not seen()
    finally:
        gc.unfreeze()
    assert seen()


def test_frozen_objects_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has frozen millions of objects pays for counting them once, not at every trace."""
    counted = []
    monkeypatch.setattr(trace_module, "_frozen", False)
    monkeypatch.setattr(trace_module.gc, "get_freeze_count", lambda: counted.append(1) or 1)
    for _ in range(3):
        trace(spec("resnet18"))
    assert len(counted) == 1
    assert gc.isenabled()


def test_cyclic_garbage_is_still_found_between_traces() -> None:
    class Cycle:
        alive = 0

        def __init__(self) -> None:
            self.me = self
            Cycle.alive += 1

        def __del__(self) -> None:
            Cycle.alive -= 1

    network = spec("lenet5")
    for _ in range(50):
        Cycle()
        trace(network)
    assert Cycle.alive <= 2


def test_rows_are_rows() -> None:
    graph = trace(spec("resnet18"))
    assert all(type(row) is Row for row in graph.rows)
