"""The module tree of a graph as plain data: layers, containers, and the steps that each container runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any, NamedTuple

from convsmith.nn.build import TAKEN
from convsmith.nn.program import Part, parts_of, program_of
from convsmith.spec.errors import SpecError
from convsmith.spec.head import with_classes
from convsmith.spec.network import Network
from convsmith.spec.node import Join, Torch
from convsmith.spec.node import Leaf as Spec
from convsmith.spec.trace import INPUT, Graph, trace

PAIRS = ("kernel_size", "stride", "padding", "dilation", "output_size", "output_padding")
"""Arguments that are one number where rows and columns have the same."""

PAIRED = ("TableConv2d", "SameMaxPool2d", "SameAvgPool2d")
"""Layers that keep their arguments as they are given, and want pairs."""


class Classes(int):
    """A number that is the number of classes, and changes with it."""


class Step(NamedTuple):
    """Child `name` (or a join: `kind` is add, concat or mul) makes values `results` of values `args`.

    `aux` steps lead to auxiliary heads alone, and run in training only.
    """

    name: str
    kind: str
    args: tuple[int, ...]
    results: tuple[int, ...]
    aux: bool = False


@dataclass(frozen=True, eq=False)
class Leaf:
    """A layer: its recipe for torch, arguments as numbers."""

    name: str
    path: str
    recipe: Torch
    node: Spec

    @property
    def kind(self) -> str:
        """The word of the description."""
        return self.node.kind

    @property
    def category(self) -> str:
        """The category of the layer."""
        return self.node.category


@dataclass(frozen=True, eq=False)
class Box:
    """A container. Values 0 .. inputs-1 enter, `outputs` leave, of which `aux` are None outside training.

    `chain` containers run as `nn.Sequential` does. `entering` and `leaving` are channels of the first input and output.
    """

    name: str
    path: str
    children: tuple[Child, ...]
    steps: tuple[Step, ...]
    inputs: int
    outputs: tuple[int, ...]
    aux: tuple[int, ...]
    chain: bool
    entering: int
    leaving: int


Child = Leaf | Box


def tree(graph: Graph, network: Network) -> Box:
    """The whole network as one container. Raises SpecError for names that no module can have, as `build` does."""
    outputs = (graph.output, *(row for _, row in graph.taps))
    parts = parts_of(graph, "", range(len(graph.rows)), frozenset(outputs))
    whole = Part("", tuple(range(len(graph.rows))), (INPUT,), outputs, False)
    return _Reader(graph, _with_classes(graph, network)).box(whole, "", parts, main=(outputs[0],))


def below(child: Child) -> Iterator[Box]:
    """Every container from this one on."""
    if isinstance(child, Box):
        yield child
        for inner in child.children:
            yield from below(inner)


@dataclass(frozen=True)
class _Reader:
    graph: Graph
    recipes: tuple[Torch | None, ...]

    def child(self, part: Part, prefix: str) -> Child:
        if part.is_row:
            index = part.rows[0]
            row, recipe = self.graph.rows[index], self.recipes[index]
            assert recipe is not None
            return Leaf(part.name, row.path, recipe, row.node)
        path = f"{prefix}.{part.name}" if prefix else part.name
        return self.box(part, path, parts_of(self.graph, path, part.rows, frozenset(part.makes)))

    def box(self, whole: Part, path: str, parts: Sequence[Part], main: tuple[int, ...] = ()) -> Box:
        program = program_of(self.graph, parts, whole.reads, whole.makes)
        main = main or tuple(row for row in whole.makes if self.graph.rows[row].tap is None) or whole.makes
        kept = program.only(tuple(out for row, out in zip(whole.makes, program.outputs, strict=True) if row in main))
        lasting = {(step.name, step.results) for step in kept.steps}
        steps = tuple(
            Step(part.name, step.name if step.join else "call", step.args, step.results,
                 (step.name, step.results) not in lasting)
            for part, step in zip(parts, program.steps, strict=True)
        )  # fmt: skip
        for part in parts:
            if part.name in TAKEN:
                raise SpecError(f"{path or 'network'}: torch's modules use the name {part.name!r}; choose another")
        children = tuple(self.child(part, path) for part in parts if not self._is_join(part))
        bare = any(isinstance(child, Leaf) and child.kind == "layer_scale" for child in children)
        aux = tuple(i for i, row in enumerate(whole.makes) if row not in main)
        chain = program.chain and not bare and not aux and _indexable([child.name for child in children])
        return Box(
            whole.name, path, children, steps, len(whole.reads), program.outputs, aux, chain,
            self._channels(whole.reads[0]) if whole.reads else 0, self._channels(whole.makes[0]),
        )  # fmt: skip

    def _is_join(self, part: Part) -> bool:
        return part.is_row and isinstance(self.graph.rows[part.rows[0]].node, Join)

    def _channels(self, row: int) -> int:
        return self.graph.input.channels if row == INPUT else self.graph.rows[row].out.channels


def _with_classes(graph: Graph, network: Network) -> tuple[Torch | None, ...]:
    """Every row's recipe, in which numbers that change with the number of classes are marked."""
    recipes = tuple(_recipe(graph, index) for index in range(len(graph.rows)))
    try:
        other = trace(with_classes(network, network.classes + 1))
    except SpecError:  # no head in sight
        return recipes
    if [row.path for row in other.rows] != [row.path for row in graph.rows]:
        return recipes
    return tuple(starmap(_marked, zip(recipes, (_recipe(other, i) for i in range(len(other.rows))), strict=True)))


def _marked(recipe: Torch | None, other: Torch | None) -> Torch | None:
    if recipe is None or other is None:
        return recipe
    changed = {
        name: Classes(value)
        for name, value in recipe.arguments.items()
        if isinstance(value, int) and value != other.arguments[name]
    }
    return recipe._replace(arguments=recipe.arguments | changed)


def _recipe(graph: Graph, index: int) -> Torch | None:
    row = graph.rows[index]
    if isinstance(row.node, Join):
        return None
    recipe: Torch = row.node.torch(graph.sigs(row)[0])  # type: ignore[attr-defined]
    if recipe.name in PAIRED:
        return recipe
    return recipe._replace(arguments={name: _single(name, value) for name, value in recipe.arguments.items()})


def _single(name: str, value: Any) -> Any:
    same = name in PAIRS and isinstance(value, tuple) and len(value) == 2 and value[0] == value[1]
    return value[0] if same else value


def _indexable(names: Sequence[str]) -> bool:
    return all(name == str(position) for position, name in enumerate(names)) or not any(n.isdigit() for n in names)
