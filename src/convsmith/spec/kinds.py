"""Every node there is, by kind: a literal table, so that nothing registers itself by being imported."""

from __future__ import annotations

from convsmith.spec.cell import Cell
from convsmith.spec.combinators import Branches, Chain, Gate, IdentityNode, Residual, Seq, Split, Tap
from convsmith.spec.node import Leaf, Node
from convsmith.spec.nodes import activation, conv, joins, linear, norm, pool, regularise, shape, tiled

LEAVES: dict[str, type[Leaf]] = {
    leaf.kind: leaf
    for family in (conv, tiled, linear, norm, pool, activation, regularise, shape)
    for leaf in family.NODES
}
JOINS: dict[str, type[Leaf]] = {join.kind: join for join in joins.NODES}
COMBINATORS: dict[str, type[Node]] = {
    node.kind: node for node in (Seq, Residual, Branches, Split, Chain, Gate, Tap, Cell, IdentityNode)
}
