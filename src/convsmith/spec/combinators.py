"""How layers compose. A keyword is a path segment, a position is an index; `Residual`, `Branches`, `Split`, `Gate`
and `Chain` add no segment of their own, which yields the ecosystem's state-dict keys (`layer1.0.conv1.weight`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from convsmith.spec.errors import SpecError
from convsmith.spec.node import Layer, Node, fraction
from convsmith.spec.nodes.joins import Add, Concat, Mul
from convsmith.spec.nodes.regularise import DropPath
from convsmith.spec.nodes.shape import Slice
from convsmith.spec.tracer import At, Tracer, steps
from convsmith.spec.widths import Scope

if TYPE_CHECKING:
    from convsmith.spec.tracer import Steps

_new = tuple.__new__  # half the time of a named tuple's constructor

ADD, CONCAT, MUL = Add(), Concat(), Mul()

Children = tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class IdentityNode(Node):
    """x. Leaves no row; write `Identity`."""

    kind: ClassVar[str] = "identity"

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        return at


Identity = IdentityNode()


@dataclass(frozen=True, init=False)
class Seq(Node):
    """One after the other. Children are all numbered (`Seq(Conv(8), Relu)`) or all named (`Seq(conv1=Conv(8))`)."""

    children: Children
    steps: ClassVar[Steps]
    """What flows, without sequences inside sequences and without what leaves no row; each instance's own."""
    kind: ClassVar[str] = "seq"

    def __init__(self, *numbered: Node, **named: Node) -> None:
        if numbered and named:
            raise SpecError(f"seq: children are all numbered or all named, got {len(numbered)} and {sorted(named)}")
        object.__setattr__(self, "children", tuple(named.items()) or _numbered(numbered))
        _check_children(self, self.children)
        object.__setattr__(self, "steps", steps(list(_flat(self.children))))

    @staticmethod
    def of(children: Children) -> Seq:
        """A sequence of these (name, node) pairs."""
        numbered = all(name == str(index) for index, (name, _) in enumerate(children))
        return Seq(*(node for _, node in children)) if numbered else Seq(**dict(children))

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        return tracer.sequence(self.steps, at, prefix, scope)


@dataclass(frozen=True)
class Residual(Node):
    """after(body(x) + shortcut(x)).

    The shortcut is the identity where channels and stride are kept; where they change it is `shortcut`, and without one
    there is no skip (as in MobileNet v2). `when="always"` uses it everywhere (option C of He et al. 2015).
    `after` has the path segment `after`, the sum `add`. `drop` is the probability that training leaves the body out
    where there is a skip (stochastic depth, Huang et al. 2016; path segment `drop_path`).
    """

    body: Node
    shortcut: Node | None = None
    after: Node = Identity
    when: Literal["needed", "always"] = "needed"
    drop: float = 0.0
    dropping: ClassVar[Steps]
    then: ClassVar[Steps]
    """What flows behind the body and behind the sum, if anything; each instance's own."""
    kind: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        _transparent(self, self.body, *([] if self.shortcut is None else [self.shortcut]))
        _check_node(self, self.after)
        fraction(self, drop=self.drop)
        if self.when not in ("needed", "always") or (self.when == "always" and self.shortcut is None):
            raise SpecError(f"residual: when is 'needed' or, with a shortcut, 'always', got {self.when!r}")
        object.__setattr__(self, "dropping", steps((("drop_path", DropPath(self.drop)),) if self.drop else ()))
        object.__setattr__(self, "then", steps(tuple(_flat((("after", self.after),)))))

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        scope = _inside(scope, at)
        out = self.body.flow(tracer, at, prefix, scope)
        before, after = at[1].sig, out[1].sig
        fits = before[0] == after[0] and before[3] == after[3]  # channels and stride, never rows and cols
        project = self.shortcut is not None and (not fits or self.when == "always")
        if self.dropping and (fits or project):
            out = tracer.sequence(self.dropping, out, prefix, scope)
        if self.shortcut is not None and project:
            out = tracer.join(ADD, (out, self.shortcut.flow(tracer, at, prefix, scope)), f"{prefix}add")
        elif fits:
            out = tracer.join(ADD, (out, at), f"{prefix}add")
        return tracer.sequence(self.then, out, prefix, scope) if self.then else out


@dataclass(frozen=True, init=False)
class Branches(Node):
    """concat(b1(x), b2(x), ...). Named branches have their name as path segment; positional ones have none."""

    children: Children
    kind: ClassVar[str] = "branches"

    def __init__(self, *positional: Node, **named: Node) -> None:
        _transparent(self, *positional)
        object.__setattr__(self, "children", tuple(("", node) for node in positional) + tuple(named.items()))
        _check_children(self, self.children)

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        scope = _inside(scope, at)
        ends = [child.flow(tracer, at, f"{prefix}{name}." if name else prefix, scope) for name, child in self.children]
        return tracer.join(CONCAT, ends, f"{prefix}concat")


@dataclass(frozen=True, init=False)
class Split(Node):
    """Split the channels in equal parts, one for each branch, then concatenate (ShuffleNet v2)."""

    children: Children
    kind: ClassVar[str] = "split"

    def __init__(self, *positional: Node, **named: Node) -> None:
        _transparent(self, *positional)
        object.__setattr__(self, "children", tuple(("", node) for node in positional) + tuple(named.items()))
        _check_children(self, self.children)

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        parts, ends = len(self.children), []
        scope = _inside(scope, at)
        for index, (name, child) in enumerate(self.children):
            part = tracer.layer(Slice(index, parts), at, f"{prefix}part{index}", scope)
            ends.append(child.flow(tracer, part, f"{prefix}{name}." if name else prefix, scope))
        return tracer.join(CONCAT, ends, f"{prefix}concat")


@dataclass(frozen=True, init=False)
class Chain(Node):
    """One after the other, without a path segment: parts that stand side by side in the tree.

    SqueezeNet's fire module: `Chain(Seq(squeeze=Conv(16), act=Relu), Branches(expand1x1=..., expand3x3=...))`.
    """

    children: Children
    kind: ClassVar[str] = "chain"

    def __init__(self, *parts: Node) -> None:
        _transparent(self, *parts)
        object.__setattr__(self, "children", tuple(("", node) for node in parts))
        _check_children(self, self.children)

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        for _, part in self.children:
            at = part.flow(tracer, at, prefix, scope)
        return at


@dataclass(frozen=True)
class Gate(Node):
    """x * body(x): squeeze-and-excitation (Hu et al. 2018).

    `BACK` inside is the channels that the gate must restore.
    """

    body: Node
    kind: ClassVar[str] = "gate"

    def __post_init__(self) -> None:
        _transparent(self, self.body)

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        gate = self.body.flow(tracer, at, prefix, Scope(scope.entering, at[1].sig.channels))
        return tracer.join(MUL, (at, gate), f"{prefix}mul")


@dataclass(frozen=True)
class Tap(Node):
    """x, with `head(x)` as a further output named by this node's path: an auxiliary classifier (Szegedy et al. 2014).

    Its rows are reported apart, and the built module returns it in training only.
    """

    head: Node
    kind: ClassVar[str] = "tap"

    def __post_init__(self) -> None:
        _check_node(self, self.head)

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        tracer.tap(prefix[:-1], self.head, at, scope)
        return at


def _inside(scope: Scope, at: At) -> Scope:
    """The scope within a block that the signal enters here."""
    return _new(Scope, (at[1].sig[0], scope[1]))


def _flat(children: Children) -> Iterator[tuple[str, Node]]:
    for name, child in children:
        if isinstance(child, Seq):
            for inner, node, _ in child.steps:
                yield f"{name}.{inner}".removesuffix("."), node
        elif child is not Identity:
            yield name, child


def _numbered(nodes: tuple[Node, ...]) -> Children:
    return tuple((str(index), node) for index, node in enumerate(nodes))


def _check_children(owner: Node, children: Children) -> None:
    for name, child in children:
        if not isinstance(child, Node):
            raise SpecError(
                f"{owner.kind}: child {name or '?'!r} is not a node but {child!r}; parameterless layers are values"
            )
        if "." in name or (owner.kind == "seq" and not name):
            raise SpecError(f"{owner.kind}: a name is one path segment, without dots, got {name!r}")
    if owner.kind != "seq" and not children:
        raise SpecError(f"{owner.kind}: needs at least one {'part' if owner.kind == 'chain' else 'branch'}")


def _transparent(owner: Node, *nodes: Node) -> None:
    for node in nodes:
        if isinstance(node, Layer):
            raise SpecError(f"{owner.kind}: a bare {node.label} has no name here; write Seq(name=...) around it")
        _check_node(owner, node)


def _check_node(owner: Node, node: object) -> None:
    if not isinstance(node, Node):
        raise SpecError(f"{owner.kind}: expected a node, got {node!r}")
