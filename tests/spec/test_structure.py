"""Names, relative widths and the combinators: what they make of a signal, by hand and when built."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from convsmith import build
from convsmith.spec import (
    BACK,
    HERE,
    IN,
    INPUT,
    Branches,
    Cell,
    Chain,
    Conv,
    Flatten,
    Gate,
    Graph,
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
    Shuffle,
    Sigmoid,
    Silu,
    Split,
    Step,
    Tap,
    round_to,
    trace,
)


def paths(graph: Graph) -> list[str]:
    return [row.path for row in graph.rows]


def run(node: Node, image: torch.Tensor) -> torch.Tensor:
    """The node's output, in float64, with the network that made it for its weights."""
    net = build(Network(node, tuple(image.shape[2:]), image.shape[1], classes=1), seed=0).double().eval()
    made: torch.Tensor = net(image)
    return made


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize(("value", "multiple", "wanted"), [
    # make_divisible of the MobileNet code, worked out by hand: nearest multiple, ties up, never below 90 %
    (32, 8, 32), (33, 8, 32), (35, 8, 32), (36, 8, 40), (3, 8, 8), (4, 8, 8), (0.1, 8, 8), (16 * 0.35, 8, 8),
    (24 * 0.35, 8, 8), (32 * 0.35, 8, 16), (64 * 0.35, 8, 24), (96 * 0.35, 8, 32), (96 * 0.75, 8, 72), (11, 8, 16),
    (12, 8, 16), (18, 8, 24), (17, 8, 16), (24 * 1.4, 8, 32), (1280 * 1.4, 8, 1792), (17.6, 4, 16), (18, 4, 20),
])  # fmt: skip
def test_rounding_to_a_multiple_is_mobilenets(value: float, multiple: int, wanted: int) -> None:
    assert round_to(value, multiple) == wanted


def test_relative_widths_resolve_where_they_stand() -> None:
    inner = Seq(
        a=Conv(HERE * 6),
        b=Conv(HERE, 3, groups=HERE),
        c=Conv(IN // 4),
        d=Conv((IN * 0.7).round(8)),
        e=Conv(IN * 1.5 // 2),
    )
    graph = trace(Seq(stem=Conv(20), block=Residual(inner)), 8)
    assert [row.out.channels for row in graph.rows] == [
        20,
        120,
        120,
        5,
        16,
        15,
    ]  # 20 + 0.7 * 20 = 14 -> 16; 15 is 20 * 1.5 / 2
    assert graph.weights["block.b.weight"] == (120, 1, 3, 3)


def test_in_is_the_nearest_enclosing_block_and_at_least_one_channel_stays() -> None:
    body = Branches(Seq(a=Conv(6), deep=Residual(Seq(b=Conv(IN // 4), c=Conv(IN)))), Seq(z=Conv(IN // 9)))
    widths = {row.path: row.out.channels for row in trace(body, 8, 4).rows}
    assert (widths["deep.b"], widths["deep.c"], widths["z"]) == (1, 6, 1)


def test_a_keyword_is_a_path_segment_a_position_an_index_and_blocks_add_none() -> None:
    block = Residual(
        Seq(conv1=Conv(8, 3, 2), bn1=Norm(), conv2=Conv(8, 3)), Seq(downsample=Seq(Conv(8, 1, 2), Norm())), after=Relu
    )
    gate = Gate(Seq(pool=PoolTo(1), fc=Conv(BACK)))
    body = Seq(layer1=Seq(block), se=gate, mix=Branches(Seq(Conv(2)), b3=Conv(2)), fc=Seq(Flatten, Linear(3)))
    assert paths(trace(body, 8, 4)) == [
        "layer1.0.conv1", "layer1.0.bn1", "layer1.0.conv2", "layer1.0.downsample.0", "layer1.0.downsample.1",
        "layer1.0.add", "layer1.0.after", "se.pool", "se.fc", "se.mul", "mix.0", "mix.b3", "mix.concat", "fc.0", "fc.1",
    ]  # fmt: skip


def test_an_identity_leaves_no_row_but_keeps_its_number() -> None:
    graph = trace(Seq(Conv(4), Identity, Relu), 4)
    assert (paths(graph), graph.rows[1].inputs) == (["0", "2"], (0,))


def test_rows_read_the_rows_that_feed_them() -> None:
    graph = trace(Residual(Seq(a=Conv(3), b=Conv(3))), 4)
    assert [row.inputs for row in graph.rows] == [(INPUT,), (0,), (1, INPUT)]
    assert graph.output == 2


@pytest.mark.parametrize(("body", "shortcut", "when", "wanted"), [
    (Conv(8, 3), None, "needed", ["a", "add"]),
    (Conv(9, 3), None, "needed", ["a"]),  # channels change: no skip, as in MobileNet v2
    (Conv(8, 3, 2), None, "needed", ["a"]),  # stride changes
    (Conv(8, 3), Conv(8), "needed", ["a", "add"]),
    (Conv(9, 3), Conv(9), "needed", ["a", "s", "add"]),
    (Conv(8, 3, 2), Conv(8, 1, 2), "needed", ["a", "s", "add"]),
    (Conv(8, 3), Conv(8), "always", ["a", "s", "add"]),
])  # fmt: skip
def test_a_skip_is_where_channels_and_stride_fit_or_a_shortcut_makes_them_fit(
    body: Node, shortcut: Node | None, when: str, wanted: list[str]
) -> None:
    side = None if shortcut is None else Seq(s=shortcut)
    assert paths(trace(Residual(Seq(a=body), side, when=when), 6, 8)) == wanted  # type: ignore[arg-type]


def test_the_skip_depends_on_stride_and_never_on_the_image_size() -> None:
    block = Residual(Seq(a=Conv(8, 3, 2)), Seq(s=Conv(8, 1, 2)))
    for side in (1, 2, 7, 64):  # on one pixel stride 2 keeps the size, and the keys must not change
        assert paths(trace(block, side, 8)) == ["a", "s", "add"]


def test_a_residual_adds_the_shortcut_and_then_applies_after(image: torch.Tensor) -> None:
    doubled = run(Seq(block=Residual(Seq(scale=Scale(-3.0)), after=Relu)), image)
    assert torch.equal(doubled, torch.relu(image - 3 * image))
    always = run(Seq(b=Residual(Seq(x=Scale(2.0)), Seq(s=Scale(5.0)), when="always")), image)
    assert torch.allclose(always, 7 * image)


def test_branches_concatenate_in_their_order(image: torch.Tensor) -> None:
    made = run(Branches(Seq(a=Scale(2.0)), Identity, c=Scale(-1.0)), image)
    assert torch.equal(made, torch.cat([2 * image, image, -image], 1))


def test_a_split_gives_each_branch_its_part_of_the_channels(image: torch.Tensor) -> None:
    made = run(Seq(s=Split(Identity, Seq(b=Scale(3.0))), shuffle=Shuffle(2)), image)
    left, right = image[:, :4], 3 * image[:, 4:]
    assert torch.equal(made, torch.stack([left, right], 2).flatten(1, 2))
    assert [row.out.channels for row in trace(Split(Identity, Seq(b=Conv(IN))), 4, 8).rows] == [4, 4, 8, 12]


def test_a_chain_runs_its_parts_side_by_side_in_the_tree(image: torch.Tensor) -> None:
    fire = Chain(Seq(squeeze=Scale(2.0)), Branches(a=Scale(3.0), b=Scale(-1.0)), Seq(act=Relu))
    assert [row.path for row in trace(Seq(fire=fire), 4).rows] == [
        "fire.squeeze", "fire.a", "fire.b", "fire.concat", "fire.act"
    ]  # fmt: skip
    assert torch.equal(run(Seq(fire=fire), image), torch.relu(torch.cat([6 * image, -2 * image], 1)))


def test_a_gate_multiplies_by_one_number_a_channel(image: torch.Tensor) -> None:
    gate = Gate(Seq(avgpool=PoolTo(1), fc1=Conv(IN // 4), act=Silu, fc2=Conv(BACK), scale=Sigmoid))
    made = run(Seq(se=Gate(Seq(pool=PoolTo(1), act=Sigmoid))), image)
    assert torch.allclose(made, image * torch.sigmoid(image.mean((2, 3), keepdim=True)))
    widths = {row.path: row.out.channels for row in trace(Seq(stem=Conv(16), block=Residual(Seq(se=gate))), 8).rows}
    assert (widths["block.se.fc1"], widths["block.se.fc2"], widths["block.se.mul"]) == (4, 16, 16)


def test_a_tap_is_a_further_output_and_leaves_the_signal_alone() -> None:
    head = Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(5))
    graph = trace(Seq(a=Conv(4), aux=Tap(head), b=Conv(6)), 8)
    assert paths(graph) == ["a", "aux.pool", "aux.flatten", "aux.fc", "b"]
    assert [row.tap for row in graph.rows] == [None, "aux", "aux", "aux", None]
    assert (graph.taps, graph.output, graph.rows[4].inputs) == ((("aux", 3),), 4, (0,))


def nas_cell() -> Cell:
    """A cell of two inputs as NASNet's: steps read inputs and earlier steps; the loose ends are concatenated."""
    return Cell(
        inputs=("h", "before"), out=("c", "d"),
        a=Step(Scale(2.0), "h"), b=Step(Scale(3.0), "before"),
        c=Step(Identity, "a", "b"),  # a + b
        d=Step(Scale(5.0), "a", "before", join="concat"),
    )  # fmt: skip


def test_a_cell_of_two_inputs_computes_its_graph(image: torch.Tensor) -> None:
    outer = Cell(out=("y",), ten=Step(Scale(10.0), "x"), y=Step(nas_cell(), "ten", "x"))
    h, before = 10 * image, image
    wanted = torch.cat([2 * h + 3 * before, 5 * torch.cat([2 * h, before], 1)], 1)
    assert torch.allclose(run(Seq(cell=outer), image), wanted)
    assert paths(trace(Seq(cell=outer), 6, 8)) == [
        "cell.ten", "cell.y.a", "cell.y.b", "cell.y.c_add", "cell.y.d_concat", "cell.y.d", "cell.y.concat",
    ]  # fmt: skip


def test_a_cell_with_one_output_has_no_join(image: torch.Tensor) -> None:
    cell = Cell(inputs=("p",), out=("q",), q=Step(Scale(4.0), "p"))
    assert paths(trace(Seq(c=cell), 6, 8)) == ["c.q"]
    assert torch.equal(run(Seq(c=cell), image), 4 * image)
    assert trace(Cell(out=("a",), a=Step(Conv(IN * 2), "x")), 6, 8).rows[0].out.channels == 16


def test_shared_values_are_separate_layers() -> None:
    block = Residual(Seq(a=Conv(3, bias=False)))
    net = build(Network(Seq(block, block), 4, classes=1))
    assert list(net.state_dict()) == ["0.a.weight", "1.a.weight"]
    assert not torch.equal(net[0].a.weight, net[1].a.weight)


def test_an_image_need_not_be_square() -> None:
    graph = trace(Seq(a=Conv(4, 3, 2), b=Pool(2), c=Flatten), (30, 14), 2)
    assert [row.out.shape for row in graph.rows] == [(4, 15, 7), (4, 7, 3), (84,)]


def test_nodes_are_values() -> None:
    assert Seq(a=Conv(8, 3)) == Seq(a=Conv(8, 3))
    assert hash(nas_cell()) == hash(nas_cell())
    assert Conv(HERE * 2) != Conv(HERE * 3)
    assert len({Residual(Seq(a=Conv(4))), Residual(Seq(a=Conv(4))), Residual(Seq(a=Conv(5)))}) == 2


def test_a_traced_layer_stands_alone_under_its_kind() -> None:
    assert paths(trace(Conv(8), 4)) == ["conv"]


def test_a_networks_own_size_is_the_default_of_its_trace() -> None:
    network = Network(Seq(a=Conv(8)), (5, 7), 2, name="mine")
    graph = trace(network)
    assert (graph.input.shape, graph.name) == ((2, 5, 7), "mine")
    assert trace(network, 9, channels=4).input.shape == (4, 9, 9)


def test_a_block_that_comes_again_is_copied_as_it_would_be_walked() -> None:
    block = Residual(Seq(conv1=Conv(HERE, 3), act=Relu, conv2=Conv(IN)), drop=0.1)
    other = Residual(Seq(conv1=Conv(HERE, 3), act=Relu, conv2=Conv(IN)), drop=0.1)
    stage = Seq(a=Seq(block, block), b=Seq(Seq(x=block)), c=Branches(Seq(left=block), Seq(right=block)), d=block)
    left, right = Seq(left=replace(block)), Seq(right=replace(block))
    fresh = Seq(a=Seq(block, other), b=Seq(Seq(x=replace(block))), c=Branches(left, right), d=replace(block))
    graph = trace(stage, 8, 4)
    assert graph == trace(fresh, 8, 4)
    reads = {row.path: [graph.rows[i].path if i >= 0 else "image" for i in row.inputs] for row in graph.rows}
    assert reads["a.1.add"] == ["a.1.drop_path", "a.0.add"]
    assert (reads["c.left.conv1"], reads["c.right.conv1"]) == (["b.0.x.add"], ["b.0.x.add"])
    assert reads["d.conv1"] == ["c.concat"]  # of twice the channels: walked anew


def test_a_block_at_the_top_is_not_copied_below() -> None:
    block = Residual(Seq(conv=Conv(IN)))
    assert paths(trace(Chain(block, Seq(deep=block)), 8, 4)) == ["conv", "add", "deep.conv", "deep.add"]


def test_auxiliary_heads_in_equal_blocks_are_each_their_own() -> None:
    block = Seq(conv=Conv(4), aux=Tap(Seq(pool=PoolTo(1), flatten=Flatten, fc=Linear(3))))
    graph = trace(Seq(a=block, b=block), 8, 4)
    assert [path for path, _ in graph.taps] == ["a.aux", "b.aux"]
    assert [row.path for row in graph.rows if row.tap == "b.aux"] == ["b.aux.pool", "b.aux.flatten", "b.aux.fc"]
