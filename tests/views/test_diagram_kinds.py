"""The contract of diagrams: every kind of node has words, a colour, a shape and an entry in the legend."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import get_args

import pytest

from convsmith.spec import Graph
from convsmith.spec.kinds import JOINS, LEAVES
from convsmith.spec.node import Category, Leaf, facts
from convsmith.spec.nodes import activation, conv, joins, linear, norm, pool, regularise, shape, tiled
from convsmith.spec.nodes.foreign import Foreign
from convsmith.spec.signature import Sig
from convsmith.spec.trace import INPUT, Row
from convsmith.views.diagram import LEGEND, diagram
from convsmith.views.labels import label_of
from convsmith.views.painter import COLOURS

EXAMPLES: dict[str, Leaf] = {
    "conv": conv.Conv(8, 3), "conv_transpose": conv.ConvTranspose(8, 3), "table_conv": conv.TableConv(((0,),), 3),
    "tiled_conv": tiled.TiledConv(8), "linear": linear.Linear(8), "rbf": linear.Rbf(8),
    "norm": norm.Norm(), "local_norm": norm.LocalNorm(), "layer_norm": norm.LayerNorm(), "scale": norm.Scale(),
    "layer_scale": norm.LayerScale(), "times": norm.Times(0.5),
    "max_pool": pool.Pool(2), "avg_pool": pool.AvgPool(2), "pool_to": pool.PoolTo(1),
    "activation": activation.Relu, "dropout": regularise.Dropout(), "drop_path": regularise.DropPath(),
    "flatten": shape.Flatten, "shuffle": shape.Shuffle(2), "zero_channels": shape.ZeroChannels(8),
    "slice": shape.Slice(0, 2), "shift": shape.Shift(), "permute": shape.ChannelsLast,
    "add": joins.Add(), "concat": joins.Concat(), "mul": joins.Mul(),
}  # fmt: skip
"""One node of each kind; a new kind needs one here, and words in `convsmith.views.labels`."""

SIG = Sig(8, 6, 6)


def drawn(node: Leaf) -> str:
    """A picture of the node between two convolutions, or where two of them meet."""
    first = Row("a", conv.Conv(8), (INPUT,), facts((), SIG))
    second = Row("b", conv.Conv(8), (0,), facts((), SIG))
    here = Row("here", node, (0, 1) if node.kind in JOINS else (1,), facts((), SIG))
    return diagram(Graph(SIG, (first, second, here), 2))


def test_every_kind_has_an_example() -> None:
    assert set(EXAMPLES) == set(LEAVES) | set(JOINS)
    assert all(node.kind == kind for kind, node in EXAMPLES.items())


@pytest.mark.parametrize("node", [*EXAMPLES.values(), *(Foreign("gather", c) for c in get_args(Category))], ids=repr)
def test_every_kind_has_words_a_colour_a_shape_and_an_entry_in_the_legend(node: Leaf) -> None:
    words, svg = label_of(node), drawn(node)
    assert words
    assert not set(words) & set("_{}")
    sign = {"add": "+", "mul": "×"}.get(node.kind)
    if node.kind == "drop_path":
        words = "drop path"
    assert svg.count(f">{sign or words}</text>") >= 1
    assert f'fill="{COLOURS[node.category]}"' in svg
    assert f">{LEGEND[node.category]}</text>" in svg
    assert ET.fromstring(svg).tag.endswith("svg")


@pytest.mark.parametrize("function", activation.FUNCTIONS)
def test_every_activation_has_words(function: str) -> None:
    assert "_" not in label_of(activation.Activation(function))


def test_a_kind_without_words_is_refused() -> None:
    class Odd(shape.Shift):
        kind = "odd"

    with pytest.raises(KeyError):
        label_of(Odd())
