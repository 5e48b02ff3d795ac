"""Which containers are alike: of one structure, so that one class with arguments can stand for them all.

Layers may differ in their numbers. Containers at the same place of a repetition (`layer#.#`) may differ in a child too
that only some have (a projection, an expansion) and in whether there is a skip; the fullest is then the pattern.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from convsmith.nn.eject.tree import Box, Child, Leaf, Step, below

MOST_ABSENT = 3
"""Children and skips that a container may lack of its pattern."""

LONGEST = 8
"""Longer sequences are stages, of which none is another's pattern."""


@dataclass(eq=False)
class Shape:
    """A pattern and its members. `slots` are the patterns of the children, by name, `optional` those that some lack."""

    pattern: Child
    slots: tuple[tuple[str, Shape], ...] = ()
    members: list[Child] = field(default_factory=list)
    optional: set[int] = field(default_factory=set)

    @property
    def is_stage(self) -> bool:
        """A sequence of containers that are all alike."""
        first = self.slots[0][1] if self.slots else None
        return (
            isinstance(self.pattern, Box)
            and self.pattern.chain
            and first is not None
            and isinstance(first.pattern, Box)
            and all(shape is first and name[-1:].isdigit() for name, shape in self.slots)
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """The pattern's steps."""
        return self.pattern.steps if isinstance(self.pattern, Box) else ()


@dataclass
class Kin:
    """Every node's shape, its children by slot (None where it lacks one), and which of the pattern's steps it has."""

    shape: dict[Child, Shape] = field(default_factory=dict)
    filled: dict[Child, tuple[Child | None, ...]] = field(default_factory=dict)
    steps: dict[Child, tuple[bool, ...]] = field(default_factory=dict)


def kinship(root: Box) -> Kin:
    """Shapes of all nodes, the deepest containers first."""
    kin, known = Kin(), dict[Hashable, Shape]()
    levels: dict[int, list[Box]] = defaultdict(list)
    for box in below(root):
        levels[0 if box is root else box.path.count(".") + 1].append(box)
        for child in box.children:
            if isinstance(child, Leaf):
                _join(kin, known, _leaf_key(child), child)
    for depth in sorted(levels, reverse=True):
        roles: dict[str, list[Shape]] = defaultdict(list)
        for box in levels[depth]:
            shape = _join(kin, known, _box_key(kin, box), box)
            role = re.sub(r"\d+", "#", box.path)
            if shape not in roles[role]:
                roles[role].append(shape)
        for shapes in roles.values():
            _merge(kin, known, shapes)
    return kin


def _join(kin: Kin, known: dict[Hashable, Shape], key: Hashable, node: Child) -> Shape:
    if key not in known:
        slots = tuple((c.name, kin.shape[c]) for c in node.children) if isinstance(node, Box) else ()
        known[key] = Shape(node, slots)
    shape = known[key]
    shape.members.append(node)
    kin.shape[node] = shape
    if isinstance(node, Box):
        kin.filled[node], kin.steps[node] = node.children, (True,) * len(node.steps)
    return shape


def is_plain_activation(leaf: Leaf) -> bool:
    """An activation without arguments, in whose place another may stand."""
    return leaf.category == "activation" and not leaf.recipe.arguments


def _leaf_key(leaf: Leaf) -> Hashable:
    return "activation" if is_plain_activation(leaf) else (leaf.recipe.name, tuple(leaf.recipe.arguments))


def _box_key(kin: Kin, box: Box) -> Hashable:
    children = tuple((child.name, id(kin.shape[child])) for child in box.children)
    return children, box.steps, box.inputs, box.outputs, box.aux, box.path == ""


def _merge(kin: Kin, known: dict[Hashable, Shape], shapes: Sequence[Shape]) -> None:
    """Members of lesser shapes join a fuller one of the same role."""
    full: list[Shape] = []
    left = [shape for shape in shapes if shape.members]  # a shape may have been taken in at another place
    for shape in sorted(left, key=lambda shape: -len(shape.steps)):
        for target in full:
            have = _numbered(target, shape) or _named(target, shape)
            if have is not None:
                _absorb(kin, target, shape, *have)
                for key in [key for key, one in known.items() if one is shape]:
                    del known[key]
                break
        else:
            full.append(shape)


def _absorb(kin: Kin, target: Shape, shape: Shape, slots: Sequence[int | None], steps: Sequence[bool]) -> None:
    for member in shape.members:
        children, had = kin.filled[member], iter(kin.steps[member])
        kin.filled[member] = tuple(None if i is None else children[i] for i in slots)
        kin.steps[member], kin.shape[member] = tuple(have and next(had) for have in steps), target
        target.members.append(member)
    target.optional |= {at for at, i in enumerate(slots) if i is None or i in shape.optional}
    shape.members = []


Have = tuple[tuple[int | None, ...], tuple[bool, ...]]


def _numbered(full: Shape, less: Shape) -> Have | None:
    """Children of a numbered sequence found in order in a longer one, from the end: what comes first is left out."""
    a, b = full.pattern, less.pattern
    assert isinstance(a, Box)
    assert isinstance(b, Box)
    if len(a.children) != len(full.slots) or len(b.children) != len(less.slots):
        return None
    inside = "." in a.path and not a.path.split(".")[-1].isdigit()
    if not (a.chain and b.chain and inside and a.children[0].name == b.children[0].name == "0"):
        return None
    if any(map(_is_block, a.children)) or len(a.children) > LONGEST or len(a.children) - len(b.children) > MOST_ABSENT:
        return None
    found: list[int | None] = []
    at = len(less.slots) - 1
    for _, shape in reversed(full.slots):
        child = a.children[len(full.slots) - 1 - len(found)]
        match = at >= 0 and less.slots[at][1] is shape and is_deep(child) == is_deep(b.children[at])
        if not match and (isinstance(child, Leaf) or is_deep(child)):
            return None
        found.append(at if match else None)
        at -= match
    have = tuple(reversed(found))
    return (have, tuple(i is not None for i in have)) if at < 0 else None


def _named(full: Shape, less: Shape) -> Have | None:
    """Steps of one in order among the other's; where a child or a sum is missing, its first input goes on."""
    a, b = full.pattern, less.pattern
    assert isinstance(a, Box)
    assert isinstance(b, Box)
    if any(name.isdigit() for name, _ in full.slots) or a.inputs != b.inputs or not b.steps:
        return None
    slots, ours = dict(full.slots), dict(less.slots)
    value = {i: i for i in range(a.inputs)}
    at, have = 0, []
    for step in a.steps:
        args = tuple(value[i] for i in step.args)
        other = b.steps[at] if at < len(b.steps) else None
        same = (
            other is not None
            and (step.name, step.kind, args, step.aux) == (other.name, other.kind, other.args, other.aux)
            and slots.get(step.name) is ours.get(step.name)
        )
        have.append(same)
        if same and other is not None:
            value |= dict(zip(step.results, other.results, strict=True))
            at += 1
        elif step.name not in ours and _can_lack(step, slots.get(step.name)):
            value[step.results[0]] = args[0]
        else:
            return None
    done = at == len(b.steps) and tuple(value[i] for i in a.outputs) == b.outputs and a.aux == b.aux
    if not done or have.count(False) > MOST_ABSENT:
        return None
    places = {name: i for i, (name, _) in enumerate(less.slots)}
    return tuple(places.get(name) for name, _ in full.slots), tuple(have)


def is_deep(child: Child) -> bool:
    """Whether there is a depthwise convolution in it, for which a plain one is no match."""
    return any(is_depthwise(leaf) for leaf in leaves([child]))


def is_depthwise(leaf: Leaf) -> bool:
    """Whether it is a convolution of a group for each channel."""
    groups = leaf.recipe.arguments.get("groups", 1)
    return leaf.kind == "conv" and bool(1 < groups == leaf.recipe.arguments["in_channels"])


def _is_block(child: Child) -> bool:
    return any(step.kind in ("add", "concat") for box in below(child) for step in box.steps)


def _can_lack(step: Step, shape: Shape | None) -> bool:
    """Whether the step's first input can go on in place of its result: a sum, or a module of one input and output."""
    if len(step.results) > 1 or step.aux or step.kind not in ("call", "add"):
        return False
    bare = shape is not None and isinstance(shape.pattern, Leaf) and shape.pattern.kind == "layer_scale"
    return step.kind == "add" or (len(step.args) == 1 and not bare)


def occurrences(root: Shape) -> dict[Shape, int]:
    """How often each container would be written if each pattern was written once."""
    count: dict[Shape, int] = defaultdict(int)
    seen, todo = {root}, [root]
    while todo:
        for _, shape in todo.pop().slots:
            count[shape] += 1
            if shape not in seen:
                seen.add(shape)
                todo.append(shape)
    return count


def classes_of(root: Shape) -> list[Shape]:
    """Shapes that get a class, each behind those that it uses; the network is the last."""
    count, order = occurrences(root), list[Shape]()
    done: set[Shape] = set()

    def visit(shape: Shape) -> None:
        if shape in done:
            return
        done.add(shape)
        for _, inner in shape.slots:
            visit(inner)
        if shape is root or _is_class(shape, count[shape]):
            order.append(shape)

    visit(root)
    return order


def _is_class(shape: Shape, count: int) -> bool:
    box = shape.pattern
    if not isinstance(box, Box):
        return False
    if not box.chain or (shape.optional and box.children[0].name != "0"):
        return True
    least = 3 if box.children[0].name == "0" else 2
    return count >= least and len(shape.slots) > 1 and not shape.is_stage


def leaves(nodes: Iterable[Child]) -> list[Leaf]:
    """Every layer, in order."""
    return [leaf for node in nodes for leaf in ([node] if isinstance(node, Leaf) else leaves(node.children))]
