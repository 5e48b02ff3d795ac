from __future__ import annotations

import pytest

import convsmith
from convsmith.spec import (
    Cell,
    Chain,
    Conv,
    Flatten,
    Linear,
    Network,
    PoolTo,
    Relu,
    Residual,
    Seq,
    Softmax,
    SpecError,
    Step,
    Tap,
    trace,
)
from convsmith.spec.head import with_classes

HEAD = Seq(pool=PoolTo(1), flatten=Flatten, fc1=Linear(32), act=Relu, fc2=Linear(10))


def test_the_last_layer_changes_and_nothing_else() -> None:
    network = convsmith.spec("resnet18")
    changed = with_classes(network, 7)
    assert changed == convsmith.spec("resnet18", classes=7)
    assert with_classes(network, 1000) is network


def test_a_head_behind_layers_without_weights_is_found() -> None:
    network = Network(Seq(a=Conv(8), p=PoolTo(1), f=Flatten, top=Seq(Linear(10), Softmax)), 8, classes=10)
    assert trace(with_classes(network, 3)).rows[-1].out.shape == (3,)


def test_auxiliary_heads_follow() -> None:
    body = Seq(a=Conv(10), aux=Tap(HEAD), deep=Seq(b=Conv(10), aux=Tap(HEAD)), head=HEAD)
    graph = trace(with_classes(Network(body, 8, classes=10), 4))
    assert [graph.rows[row].out.shape for _, row in graph.taps] == [(4,), (4,)]
    assert graph.rows[graph.output].out.shape == (4,)
    assert [row.out.channels for row in graph.rows if row.kind == "conv"] == [10, 10]


def test_a_head_beside_a_cell_is_found_and_so_is_the_auxiliary_head_in_it() -> None:
    def body(classes: int) -> Chain:
        head = Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(classes))
        cell = Cell(("x",), out=("aux",), stem=Step(Conv(10), "x"), aux=Step(Tap(head), "stem"))
        return Chain(cell, head)

    assert with_classes(Network(body(10), 8, classes=10), 4) == Network(body(4), 8, classes=4)


@pytest.mark.parametrize(
    "body",
    [
        Seq(fc=Conv(10), last=Conv(8), p=PoolTo(1), f=Flatten),
        Seq(fc=Conv(10), block=Residual(Seq(conv=Conv(10))), p=PoolTo(1), f=Flatten),
    ],
)
def test_an_end_of_another_width_is_refused(body: Seq) -> None:
    with pytest.raises(SpecError, match="mine does not end in a layer of 10 outputs, so its head cannot be replaced"):
        with_classes(Network(body, 8, classes=10, name="mine"), 5)
