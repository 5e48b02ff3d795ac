"""The cell: a small directed acyclic graph of steps, as NASNet's and DARTS' are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from convsmith.spec.combinators import ADD, CONCAT
from convsmith.spec.errors import SpecError, nearest
from convsmith.spec.node import Node
from convsmith.spec.tracer import At, Tracer
from convsmith.spec.widths import Scope


@dataclass(frozen=True, init=False)
class Step:
    """`node` applied to the sources: to each of them where the node is a cell of as many inputs, else to their join."""

    node: Node
    sources: tuple[str, ...]
    join: Literal["add", "concat"]

    def __init__(self, node: Node, *sources: str, join: Literal["add", "concat"] = "add") -> None:
        if not isinstance(node, Node) or not sources or join not in ("add", "concat"):
            raise SpecError(
                f"cell: a step is a node, its sources and join 'add' or 'concat', got {node!r}, {sources}, {join!r}"
            )
        object.__setattr__(self, "node", node)
        object.__setattr__(self, "sources", tuple(sources))
        object.__setattr__(self, "join", join)


@dataclass(frozen=True, init=False)
class Cell(Node):
    """Steps by name, each reading inputs or earlier steps; the output is `out`, concatenated where there are several.

    `Cell(inputs=("h", "before"), out=("a", "b"), a=Step(conv, "h"), b=Step(Identity, "a", "before"))`.
    A step's name is a path segment. `IN` is the channels of the first input.
    """

    inputs: tuple[str, ...]
    steps: tuple[tuple[str, Step], ...]
    out: tuple[str, ...]
    kind: ClassVar[str] = "cell"

    def __init__(self, inputs: tuple[str, ...] = ("x",), *, out: tuple[str, ...], **steps: Step) -> None:
        object.__setattr__(self, "inputs", tuple(inputs))
        object.__setattr__(self, "steps", tuple(steps.items()))
        object.__setattr__(self, "out", tuple(out))
        self._check(steps)

    def _check(self, steps: Mapping[str, Step]) -> None:
        known = list(self.inputs)
        if not self.inputs or not self.out:
            raise SpecError("cell: needs at least one input and one output")
        if len(set(known)) < len(known):
            raise SpecError(f"cell: its inputs need different names, got {self.inputs}")
        for name, step in steps.items():
            if not isinstance(step, Step):
                raise SpecError(f"cell: {name!r} is not a step but {step!r}; write Step(node, sources)")
            for source in step.sources:
                if source not in known:
                    raise SpecError(
                        f"cell: step {name!r} reads {source!r}, not an input or earlier step{nearest(source, known)}"
                    )
            if name in known or "." in name or not name:
                raise SpecError(f"cell: {name!r} is taken or has a dot; a step's name is one new path segment")
            known.append(name)
        for name in self.out:
            if name not in known:
                raise SpecError(f"cell: output {name!r} is no step{nearest(name, known)}")
        read = {*self.out, *(source for step in steps.values() for source in step.sources)}
        for name in steps:
            if name not in read:
                raise SpecError(f"cell: nothing reads step {name!r}; name it in out or remove it")

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        if len(self.inputs) != 1:
            raise SpecError(
                f"{prefix[:-1] or 'cell'}: a cell of {len(self.inputs)} inputs stands in another cell's step only"
            )
        return self.flow_many(tracer, (at,), prefix, scope)

    def flow_many(self, tracer: Tracer, ats: tuple[At, ...], prefix: str, scope: Scope) -> At:
        """`flow` with one place for each input."""
        scope, values = scope._replace(entering=ats[0][1].sig.channels), dict(zip(self.inputs, ats, strict=True))
        for name, step in self.steps:
            values[name] = self._step(tracer, step, tuple(values[s] for s in step.sources), f"{prefix}{name}.", scope)
        ends = tuple(values[name] for name in self.out)
        return ends[0] if len(ends) == 1 else tracer.join(CONCAT, ends, f"{prefix}concat")

    def _step(self, tracer: Tracer, step: Step, ats: tuple[At, ...], prefix: str, scope: Scope) -> At:
        if isinstance(step.node, Cell) and len(step.node.inputs) == len(ats) > 1:
            return step.node.flow_many(tracer, ats, prefix, scope)
        join = ADD if step.join == "add" else CONCAT
        at = tracer.join(join, ats, f"{prefix[:-1]}_{step.join}") if len(ats) > 1 else ats[0]
        return step.node.flow(tracer, at, prefix, scope)
