"""Which layer of one network is which of another: found from structure alone, whatever their names are.

Each row gets a fingerprint of all that leads to it and of all that follows from it. Two rows are counterparts when both
are equal and no other row has them. That is what lets weights move between libraries that name one network differently.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from typing import Any, NamedTuple

from convsmith.spec.errors import ImportFailed
from convsmith.spec.node import Layer, Window
from convsmith.spec.nodes.conv import Conv
from convsmith.spec.nodes.foreign import Foreign
from convsmith.spec.nodes.joins import Add, Concat
from convsmith.spec.nodes.linear import Linear
from convsmith.spec.nodes.norm import LayerNorm, LayerScale, Scale, Times
from convsmith.spec.nodes.pool import PoolTo
from convsmith.spec.nodes.shape import FlattenLayer, Permute
from convsmith.spec.trace import INPUT, Graph, Row


class Joint(NamedTuple):
    """One row that counts for the structure: what it computes, the joints it reads, and whether their order matters."""

    row: Row
    what: str
    reads: tuple[int, ...]
    ordered: bool


def align(theirs: Graph, ours: Graph) -> dict[str, str]:
    """Their state-dict keys, each with ours, for two graphs of the same image size. Auxiliary heads have no part in it.

    Flattening, the place of the channels' axis and what acts in training alone are passed over. A 1x1 convolution on
    a single pixel, a convolution whose window is the whole image and a linear layer count as the same, as their weights
    hold the same numbers.
    Raises ImportFailed naming the first layer that has no counterpart, or several.
    """
    mine, other = _joints(ours), _joints(theirs)
    places: dict[str, list[Joint]] = defaultdict(list)
    for mark, joint in zip(_marks(mine), mine, strict=True):
        places[mark].append(joint)
    found: dict[str, str] = {}
    taken: set[str] = set()
    for mark, joint in zip(_marks(other), other, strict=True):
        here = places[mark]
        if not here:
            raise ImportFailed(_parting(theirs, ours, other, mine))
        if joint.row.facts.weights:
            if len(here) > 1:
                names, whose = ", ".join(j.row.path for j in here[:3]), theirs.name or "the network"
                raise ImportFailed(f"{joint.row.path} of {whose} could be any of {names}: their places are alike")
            found |= _keys(joint.row, here[0].row)
        taken.add(mark)
    if taken != places.keys():
        raise ImportFailed(_parting(ours, theirs, mine, other))
    return found


def _joints(graph: Graph) -> list[Joint]:
    made: list[Joint] = []
    stands: dict[int, int] = {INPUT: INPUT}
    for index, row in enumerate(graph.rows):
        if row.tap is not None:
            continue
        reads = tuple(stands[source] for source in row.inputs)
        what = _what(graph, row)
        if isinstance(row.node, Concat):  # a concatenation of concatenations is one
            inner = [made[i].reads if i != INPUT and isinstance(made[i].row.node, Concat) else (i,) for i in reads]
            reads = tuple(source for group in inner for source in group)
            what = what if len(reads) > 1 else None
        if what is None:
            stands[index] = reads[0]
            continue
        stands[index] = len(made)
        made.append(Joint(row, what, reads, not isinstance(row.node, Add)))
    return _read(made, stands[graph.output])


def _read(joints: list[Joint], end: int) -> list[Joint]:
    """Those joints that lead to the end."""
    kept = {end}
    for index in reversed(range(len(joints))):
        if index in kept:
            kept.update(joints[index].reads)
    numbers = {old: new for new, old in enumerate(sorted(kept - {INPUT}))} | {INPUT: INPUT}
    return [joints[old]._replace(reads=tuple(numbers[i] for i in joints[old].reads)) for old in numbers if old != INPUT]


def _what(graph: Graph, row: Row) -> str | None:
    """What a row computes, said alike for both networks; None where it does nothing that weights could notice."""
    node, out = row.node, row.facts.out
    if node == Times(1) or (isinstance(node, PoolTo) and graph.sigs(row)[0].shape == out.shape):
        return None
    if node.category == "regularisation" or isinstance(node, FlattenLayer | Permute):
        return None
    if isinstance(node, Foreign):
        return f"{node.word} {node.setting} {out.elements}"
    sig = graph.sigs(row)[0]
    window = row.facts.window or Window((1, 1))
    if isinstance(node, Conv) and node.groups == 1 and window == Window((sig.rows, sig.cols), window.stride):
        return f"linear {sig.elements} {out.channels} {node.bias}"
    if isinstance(node, Linear) and sig.flat:
        return f"linear {sig.channels} {out.channels} {node.bias}"
    if isinstance(node, LayerScale | Scale) and not getattr(node, "bias", False):
        return f"scale {out.channels}"
    if isinstance(node, LayerNorm):
        return f"layer_norm {node.eps} {out.channels}"
    if not isinstance(node, Layer):
        return f"{node.kind} {out.elements}"
    recipe: dict[str, Any] = dict(node.torch(sig).arguments)
    for elsewhere in ("momentum", "padding", "pads"):  # of training alone, or said by the window and the size
        recipe.pop(elsewhere, None)
    return f"{node.label} {sorted(recipe.items())} {window.pad} {out.channels} {out.rows} {out.cols}"


def _before(joints: list[Joint]) -> list[str]:
    """A fingerprint of all that leads to each joint, itself included."""
    marks: list[str] = []
    for joint in joints:
        seen = ["x" if i == INPUT else marks[i] for i in joint.reads]
        marks.append(_hash(joint.what, *(seen if joint.ordered else sorted(seen))))
    return marks


def _marks(joints: list[Joint]) -> list[str]:
    """A fingerprint of each joint: everything before it and everything after it."""
    before = _before(joints)
    readers: list[list[str]] = [[] for _ in joints]
    after = [""] * len(joints)
    for index in reversed(range(len(joints))):
        joint = joints[index]
        after[index] = _hash(joint.what, *sorted(readers[index]))
        for place, source in enumerate(joint.reads):
            if source != INPUT:
                readers[source].append(_hash(after[index], str(place) if joint.ordered else "", before[index]))
    return [_hash(*pair) for pair in zip(before, after, strict=True)]


def _keys(theirs: Row, ours: Row) -> dict[str, str]:
    """Their keys with ours, by the tensors' names, or by their order where each has but one."""
    given, wanted = theirs.facts.weights, ours.facts.weights
    if len(given) == len(wanted) == 1:
        return {given[0].key(theirs.path): wanted[0].key(ours.path)}
    names = {w.name: w for w in wanted}
    if not {w.name for w in given} <= names.keys() | {"num_batches_tracked"} or len(given) < len(wanted) - 1:
        raise ImportFailed(
            f"{theirs.path} holds {', '.join(w.name for w in given)}, where {ours.path} has {', '.join(names)}"
        )
    return {w.key(theirs.path): names[w.name].key(ours.path) for w in given if w.name in names}


def _parting(one: Graph, other: Graph, here: list[Joint], there: list[Joint]) -> str:
    """Where two networks first differ, coming from the image."""
    known = set(_before(there))
    names = [graph.name or "the network" for graph in (one, other)]
    first = next((j for mark, j in zip(_before(here), here, strict=True) if mark not in known), None)
    if first is None:
        return f"{names[1]} goes on where {names[0]} ends, after {here[-1].row.path}"
    return (
        f"{names[0]} and {names[1]} have not the same structure: {first.row.path} ({first.row.kind} to "
        f"{first.row.facts.out}) has no counterpart in {names[1]}"
    )


def _hash(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
