"""One class of the file: its constructor and its forward, for all containers of one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from convsmith.nn.eject.alike import Kin, Shape, is_plain_activation
from convsmith.nn.eject.fit import Fit, Param, kind_of
from convsmith.nn.eject.forward import Forward
from convsmith.nn.eject.helpers import is_ours
from convsmith.nn.eject.layout import (
    INDENT,
    WIDTH,
    Arg,
    Call,
    Each,
    Maybe,
    Rate,
    Text,
    flat,
    is_attribute,
    lines,
    positional,
    quoted,
    statement,
)
from convsmith.nn.eject.names import docstring
from convsmith.nn.eject.phrases import phrased
from convsmith.nn.eject.recipe import arguments
from convsmith.nn.eject.runs import compact
from convsmith.nn.eject.tree import Box, Child, Leaf
from convsmith.spec.nodes.norm import Times
from convsmith.spec.nodes.shape import FlattenLayer, Permute, Slice

TYPES = {"bias": "bool", "flag": "bool", "drop_rate": "float", "p": "float", "activation": "type[nn.Module]",
         "rate": "float", "eps": "float", "momentum": "float", "start": "float", "by": "float", "alpha": "float",
         "beta": "float", "k": "float", "ceil_mode": "bool", "affine": "bool", "count_include_pad": "bool"}  # fmt: skip

Nodes = Sequence[Child | None]


@dataclass
class Class:
    """A class that is written: its name, and each argument's value for each of its containers."""

    name: str
    about: str
    shape: Shape
    params: list[Param] = field(default_factory=list)
    at: dict[Child, int] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)


@dataclass
class Writer:
    """Writes classes, those that others use first."""

    kin: Kin
    rates: Mapping[float, Rate]
    known: dict[Shape, Class] = field(default_factory=dict)

    def write(self, made: Class, root: bool, taps: tuple[str, ...] = (), classes: int = 0) -> list[str]:
        """Source lines of the class, after which others can use it."""
        members = made.shape.members
        boxes = [member for member in members if isinstance(member, Box)]
        gate = made.name.startswith("SqueezeExcitation")
        fit = Fit(
            [box.entering for box in boxes],
            [box.leaving for box in boxes],
            alone=len(boxes) == 1,
            word="squeezed" if gate else "width",
        )
        body = _Body(self, made, fit, boxes)
        body.constructor()
        fit.freeze()
        for _ in range(2):
            made.helpers.clear()
            code = body.constructor()
            arguments = fit.arguments
            fit.again()
        code = body.constructor()
        made.params = arguments
        made.at = {member: i for i, member in enumerate(members)}
        if root:
            for param in arguments:
                param.default = classes
        self.known[made.shape] = made
        base = "nn.Sequential" if body.sequential else "nn.Module"
        signature = [Text("self"), *(Text(_declared(param)) for param in arguments)]
        local = [f"{name} = {text}" for text, name in fit.locals.items() if any(name in line for line in code)]
        before = [*body.function, "", ""] if body.function else []
        out = [*before, f"class {made.name}({base}):", INDENT + docstring(made.about), ""]
        if code or arguments:
            out += lines("def __init__", Call("", positional(signature)), " -> None:", 1)
            start = [] if body.sequential else ["super().__init__()"]
            out += [INDENT * 2 + line for line in (*start, *local, *code)]
        if not body.sequential:
            out += [*([""] if code or arguments else []), *body.forward(root, taps)]
        return out


@dataclass
class _Body:
    writer: Writer
    made: Class
    fit: Fit
    boxes: Sequence[Box]
    skips: dict[str, str] = field(default_factory=dict)
    function: list[str] = field(default_factory=list)

    @property
    def box(self) -> Box:
        pattern = self.made.shape.pattern
        assert isinstance(pattern, Box)
        return pattern

    @property
    def sequential(self) -> bool:
        """Whether the class is a sequence, which needs no forward of its own."""
        return self.box.chain and self.box.path != "" and self.box.children[0].name == "0"

    @property
    def inline(self) -> frozenset[str]:
        """Layers without weights that forward writes as plain calls."""
        found = set()
        for i, (name, _) in enumerate(self.made.shape.slots):
            nodes = [self.writer.kin.filled[box][i] for box in self.boxes]
            first = next(node for node in nodes if node is not None)
            if isinstance(first, Leaf) and isinstance(first.node, FlattenLayer | Permute | Slice | Times):
                alike = all(isinstance(node, Leaf) and node.recipe == first.recipe for node in nodes)
                if alike or isinstance(first.node, Slice):
                    found.add(name)
        return frozenset(found)

    def constructor(self) -> list[str]:
        """Statements of `__init__` behind the call of the base's."""
        if self.sequential:
            items = self._items(self.made.shape, self.boxes, ())
            return statement("super().__init__", Call("", positional(items)))
        code: list[str] = []
        inline = self.inline
        for i, (name, shape) in enumerate(self.made.shape.slots):
            if name in inline:
                continue
            nodes = [self.writer.kin.filled[box][i] for box in self.boxes]
            value = self._value(shape, nodes, (name,))
            if i in self.made.shape.optional and not self._is_drop_path(shape):
                condition = self.fit.flag([node is not None for node in nodes], name)
                code += self._optional(name, value, condition)
            elif is_attribute(name):
                code += statement(f"self.{name} = ", value)
            else:
                register = "register_parameter" if flat(value).startswith("nn.Parameter(") else "add_module"
                code += statement("", Call(f"self.{register}", positional([name, value])))
        return code + self._skips()

    def _skips(self) -> list[str]:
        code = []
        taken = {name for name, _ in self.made.shape.slots}
        for i, step in enumerate(self.box.steps):
            have = [self.writer.kin.steps[box][i] for box in self.boxes]
            if step.kind == "add" and not all(have):
                name = next(n for n in ("skip", *(f"skip{j}" for j in range(2, 999))) if n not in taken)
                taken.add(name)
                self.skips[step.name] = name
                code.append(f"self.{name} = {self.fit.flag(have, 'skip')}")
        return code

    def _optional(self, name: str, value: Any, condition: str) -> list[str]:
        if is_attribute(name):
            one = f"self.{name} = {flat(value)} if {condition} else nn.Identity()"
            if len(one) <= WIDTH - 8:
                return [one]
            head = [f"self.{name} = nn.Identity()", f"if {condition}:"]
            return [*head, *statement(f"self.{name} = ", value, "", 1)]
        item = Text(f"{flat(value)} if {condition} else nn.Identity()")
        return statement("", Call("self.add_module", positional([name, item])))

    def forward(self, root: bool, taps: tuple[str, ...]) -> list[str]:
        """The method."""
        layers_ = {name: shape.pattern for name, shape in self.made.shape.slots}
        writer = Forward(self.box, layers_, self.skips, self.inline, taps)
        code = writer.write(root)
        result = "Tensor" if len(self.box.outputs) == 1 else "tuple[Tensor, ...]"
        result = "Tensor | dict[str, Tensor]" if root and taps else result
        result = "tuple[Tensor | None, ...]" if self.box.aux and not root else result
        given = ", ".join(f"{name}: Tensor" for name in writer.inputs)
        head = lines("def forward", Call("", positional([Text("self"), *map(Text, given.split(", "))])),
                     f" -> {result}:", 1)  # fmt: skip
        return [*head, *(INDENT * 2 + line for line in code)]

    def _value(self, shape: Shape, nodes: Nodes, hint: tuple[str, ...]) -> Any:
        known = self.writer.known.get(shape)
        if known is not None:
            self.made.helpers |= known.helpers
            return Call(known.name, tuple(self._argument(known, param, nodes, hint) for param in known.params))
        if isinstance(shape.pattern, Leaf):
            return self._leaf(shape.pattern, nodes, hint)
        items = self._items(shape, nodes, hint)
        names = [name for name, _ in shape.slots]
        if names[0] == "0" or not names:
            return Call("nn.Sequential", positional(items))
        return Call("nn.Sequential", positional([_ordered(names, items)]))

    def _items(self, shape: Shape, nodes: Nodes, hint: tuple[str, ...]) -> list[Any]:
        items: list[Any] = []
        filled = self.writer.kin.filled
        for i, (name, inner) in enumerate(shape.slots):
            children = [None if node is None else filled[node][i] for node in nodes]
            if all(child is None for child in children):
                continue
            value = self._value(inner, children, (*hint, name))
            if any(node is not None and child is None for node, child in zip(nodes, children, strict=True)):
                have = [
                    None if node is None else child is not None for node, child in zip(nodes, children, strict=True)
                ]
                value = Maybe(value, self.fit.flag(have, "_".join((*hint, name))))
            items.append(value)
        numbered = shape.slots[0][0] == "0"
        if not numbered:
            return items
        phrases, function = phrased(items) if self.box.path == "" else (items, [])
        if function and self.function in ([], function):  # one function a file
            self.function = function
            return phrases
        return compact(items)

    def _argument(self, known: Class, param: Param, nodes: Nodes, hint: tuple[str, ...]) -> Arg:
        vector = [None if node is None else param.values[known.at[node]] for node in nodes]
        own = () if param.name in ("in_channels", "out_channels", "channels") else (f"={param.name}",)
        value = self.fit.value(vector, param.kind, (*hint, *own))
        named = param.kind not in ("channels", "classes") or param.default is not ...
        return Arg(param.name if named else "", value, param.default)

    def _leaf(self, leaf: Leaf, nodes: Nodes, hint: tuple[str, ...]) -> Any:
        found = [node for node in nodes if isinstance(node, Leaf)]
        if is_plain_activation(leaf):
            words = {node: Text(self._class(node.recipe.name)) for node in found}
            vector = [words[node] if isinstance(node, Leaf) else None for node in nodes]
            return Call(flat(self.fit.value(vector, "activation", hint)))
        values = {}
        for name in leaf.recipe.arguments:
            numbers = [node.recipe.arguments[name] if isinstance(node, Leaf) else None for node in nodes]
            kind = kind_of(name)
            if self._is_drop_path(leaf):  # one that lacks it has a rate of 0, at which the layer does nothing
                kind, numbers = "drop_rate", [0.0 if v is None else self.writer.rates.get(v, v) for v in numbers]
            values[name] = self.fit.value(numbers, kind, hint)
        if leaf.kind == "layer_scale":
            size = Text(f"({flat(values['channels'])}, 1, 1)")
            return Call("nn.Parameter", positional([Call("torch.full", positional([size, values["start"]]))]))
        return Call(self._class(leaf.recipe.name), arguments(leaf.recipe.name, values))

    def _class(self, name: str) -> str:
        if is_ours(name):
            self.made.helpers.add(name)
            return name
        return f"nn.{name}"

    @staticmethod
    def _is_drop_path(thing: Shape | Child) -> bool:
        pattern = thing.pattern if isinstance(thing, Shape) else thing
        return isinstance(pattern, Leaf) and pattern.kind == "drop_path"


def _ordered(names: Sequence[str], items: Sequence[Any]) -> Any:
    """Named children: `OrderedDict(conv=..., norm=...)`."""
    runs = compact(items, names)
    if all(is_attribute(name) for name in names) and len(runs) == len(items):
        return Call("OrderedDict", tuple(Arg(name, item) for name, item in zip(names, items, strict=True)))
    pairs = [item if isinstance(item, Each) else Text(f"({quoted(name)}, {flat(item)})") for name, item in runs]
    if len(pairs) == 1 and isinstance(pairs[0], Each):
        return Call("OrderedDict", positional([Each(pairs[0].item, pairs[0].loop, "", ("", ""))]))
    return Call("OrderedDict", positional([Call("", positional(pairs), "[", "]")]))


def _declared(param: Param) -> str:
    kind = TYPES.get(param.kind, "int")
    values = [value for value in param.values if value is not None]
    if any(isinstance(value, tuple) for value in values):
        kind = "int | tuple[int, ...]"
    default = "" if param.default is ... else f" = {flat(param.default)}"
    return f"{param.name}: {kind}{default}"
