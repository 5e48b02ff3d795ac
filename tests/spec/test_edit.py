"""Descriptions changed by path: the paths are the trace's, and what is not changed is the same value."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings

import convsmith
from convsmith.spec import (
    Branches,
    Cell,
    Chain,
    Conv,
    Flatten,
    Gate,
    Identity,
    Linear,
    Network,
    Node,
    Norm,
    PoolTo,
    Relu,
    Residual,
    Seq,
    Sigmoid,
    SpecError,
    Split,
    Step,
    Tap,
    UnknownName,
    dumps,
    loads,
    trace,
)
from convsmith.spec.edit import at, mapped, replaced, walk, wiring, with_leaves
from convsmith.spec.node import Join, Leaf
from convsmith.spec.nodes.regularise import DropPath
from convsmith.spec.nodes.shape import Slice
from convsmith.spec.trunk import with_head, without_aux

from .test_laws import networks

HEAD = Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(10))
BODY = Seq(
    stem=Seq(Conv(8, 3), Norm(), Relu),
    res=Residual(Seq(conv=Conv(4)), Seq(down=Seq(Conv(4))), after=Relu),
    two=Branches(Seq(a=Conv(4)), Identity, b=Seq(c=Conv(4))),
    halves=Split(Identity, Seq(d=Conv(6))),
    side=Chain(Seq(e=Conv(4)), Seq(f=Relu)),
    gate=Gate(Seq(squeeze=PoolTo(1), g=Sigmoid)),
    cell=Cell(("x",), out=("h", "i"), h=Step(Conv(4), "x"), i=Step(Seq(j=Relu), "h")),
    aux=Tap(HEAD),
    head=HEAD,
)


@pytest.mark.parametrize(("path", "node"), [
    ("", BODY),
    ("stem.0", Conv(8, 3)),
    ("res", Residual(Seq(conv=Conv(4)), Seq(down=Seq(Conv(4))), after=Relu)),  # the outermost
    ("res.conv", Conv(4)),
    ("res.down.0", Conv(4)),
    ("res.after", Relu),
    ("two.a", Conv(4)),
    ("two.b.c", Conv(4)),
    ("halves.d", Conv(6)),
    ("side.f", Relu),
    ("gate.g", Sigmoid),
    ("cell.i.j", Relu),
    ("aux", Tap(HEAD)),
    ("aux.fc", Linear(10)),
])  # fmt: skip
def test_a_node_is_found_by_its_path_and_replaced_there(path: str, node: Node) -> None:
    assert at(BODY, path) == node
    new = Seq(new=Conv(5)) if path else Seq(new=Conv(5), stem=Relu)
    changed = replaced(BODY, {path: new})
    assert at(changed, path) == new
    assert changed != BODY
    if path:
        others = {known: n for known, n in walk(BODY) if isinstance(n, Leaf) and not f"{known}.".startswith(f"{path}.")}
        assert all(at(changed, known) == leaf for known, leaf in others.items())
        assert replaced(changed, {path: node}) == BODY


def test_several_nodes_are_replaced_at_once_and_the_rest_is_the_same_value() -> None:
    changed = replaced(BODY, {"stem.1": Identity, "head.fc": Linear(3), "aux": Identity})
    rows = trace(Network(changed, 8)).rows
    assert [row.path for row in rows if row.path.startswith("stem")] == ["stem.0", "stem.2"]  # numbers stay
    assert rows[-1].out.channels == 3
    assert at(changed, "res") is at(BODY, "res")
    assert at(changed, "cell") is at(BODY, "cell")
    assert replaced(BODY, {}) is BODY


@pytest.mark.parametrize(("path", "message"), [
    ("stem.3", "stem.3: no node of the description has this path; did you mean 'stem.2'?"),
    ("res.conv1", "res.conv1: no node of the description has this path; did you mean 'res.conv'?"),
    ("res.add", "res.add: this row is placed by the block 'res' and is no node of its own; name the block"),
    ("zzzzzzzzzzz", "zzzzzzzzzzz: no node of the description has this path"),
])  # fmt: skip
def test_an_unknown_path_is_refused_with_the_nearest(path: str, message: str) -> None:
    for call in (lambda: at(BODY, path), lambda: replaced(BODY, {path: Relu})):
        with pytest.raises(UnknownName, match=f"^{re.escape(message)}$"):
            call()


def test_paths_that_do_not_tell_what_to_replace_are_refused() -> None:
    both = Chain(Seq(a=Seq(b=Relu)), Seq(a=Seq(c=Relu)))
    message = "a: two nodes have this path, parts that stand side by side; name a layer in them"
    with pytest.raises(SpecError, match=f"^{message}$"):
        replaced(both, {"a": Relu})
    message = "stem.0: it lies in a node that is replaced as well; leave one of the two out"
    with pytest.raises(SpecError, match=f"^{message}$"):
        replaced(BODY, {"stem": Relu, "stem.0": Relu})


def test_what_cannot_stand_there_is_refused_by_the_node_around_it() -> None:
    with pytest.raises(SpecError, match=r"^gate: a bare relu has no name here; write Seq\(name=...\) around it$"):
        mapped(BODY, lambda path, node: Relu if path == "gate" and isinstance(node, Seq) else node)


fast = settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@fast
@given(networks())
def test_every_layer_of_the_graph_is_at_its_path(network: Network) -> None:
    leaves = {path: node for path, node in walk(network.body) if isinstance(node, Leaf)}
    for row in trace(network).rows:
        if not isinstance(row.node, Join | Slice | DropPath):  # these are placed by combinators
            assert type(leaves[row.path]) is type(row.node)
    assert mapped(network.body, lambda _, node: node) is network.body
    copies = {path: Seq(*[node]).children[0][1] for path, node in leaves.items()}
    assert with_leaves(network.body, copies) is network.body


@fast
@given(networks())
def test_taking_layers_out_leaves_the_wiring_of_the_others(network: Network) -> None:
    graph = trace(network)
    relus = {row.path for row in graph.rows if row.kind in ("relu", "dropout", "norm")}
    assert wiring(graph) == wiring(trace(network))
    shorter = with_leaves(network.body, dict.fromkeys(relus, Identity))
    assert wiring(trace(Network(shorter, network.side, network.channels))) == wiring(graph, relus)


def test_the_wiring_tells_a_skip_that_appears() -> None:
    graphs = [trace(Seq(a=Conv(8), res=Residual(Seq(b=Conv(out)))), 8) for out in (8, 4)]
    assert wiring(graphs[0]) == (
        ("a", ("input",)), ("res.b", ("a",)), ("res.add", ("res.b", "a")), ("outputs", ("res.add",)),
    )  # fmt: skip
    assert wiring(graphs[1]) == (("a", ("input",)), ("res.b", ("a",)), ("outputs", ("res.b",)))


def test_auxiliary_heads_are_dropped() -> None:
    network = convsmith.spec("googlenet")
    bare = without_aux(network)
    assert trace(bare).rows == trace(convsmith.spec("googlenet", aux=False)).rows
    assert trace(bare).taps == ()
    assert loads(dumps(bare)) == bare
    assert without_aux(bare) is bare
    nasnet = convsmith.spec("nasnetalarge")
    assert trace(without_aux(nasnet)).taps == ()


def test_another_head_stands_where_the_old_one_began() -> None:
    network = convsmith.spec("resnet18")
    head = Seq(conv=Conv(32, 3), act=Relu, pool=PoolTo(1), flatten=Flatten, fc=Linear(7))
    changed = with_head(network, head, "avgpool")
    rows, old = trace(changed).rows, trace(network).rows
    assert [row.path for row in rows][-5:] == ["head.conv", "head.act", "head.pool", "head.flatten", "head.fc"]
    assert rows[:-5] == old[:-3]
    assert (changed.classes, changed.provenance, network.classes) == (7, "own", 1000)
    assert loads(dumps(changed)) == changed


def test_another_head_may_begin_inside_a_nested_sequence_or_a_chain() -> None:
    vgg = with_head(convsmith.spec("vgg11"), Seq(pool=PoolTo(1), flat=Flatten, fc=Linear(5)), "features.11")
    assert [row.path for row in trace(vgg).rows][-4:] == ["features.10", "head.pool", "head.flat", "head.fc"]
    chain = Network(Chain(Seq(a=Conv(4)), Seq(b=Conv(4), c=Seq(d=Relu, e=HEAD))), 8)
    assert [row.path for row in trace(with_head(chain, HEAD, "c.e")).rows] == [
        "a", "b", "c.d", "head.pool", "head.flatten", "head.fc",
    ]  # fmt: skip


@pytest.mark.parametrize(("start", "kind", "message"), [
    ("avgpol", UnknownName, "avgpol: the network has no such child; did you mean 'avgpool'?"),
    ("layer4.7", UnknownName, "layer4.7: the network has no such child"),
    ("layer4.0.conv2", SpecError,
     "layer4.0.conv2: a head begins at a child of a sequence, and this lies in a residual"),
])  # fmt: skip
def test_a_head_begins_at_a_child_of_a_sequence(start: str, kind: type[SpecError], message: str) -> None:
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        with_head(convsmith.spec("resnet18"), HEAD, start)
    with pytest.raises(UnknownName, match=r"^zzz: the network has no such child$"):
        with_head(Network(Chain(Seq(a=Conv(4)), Seq(b=HEAD)), 8), HEAD, "zzz")


def test_a_head_that_does_not_fit_is_refused_by_the_trace() -> None:
    with pytest.raises(SpecError, match=r"^head.fc: a linear layer wants a flat vector, got an image of 512×7×7"):
        with_head(convsmith.spec("resnet18"), Seq(fc=Linear(3)), "avgpool")
