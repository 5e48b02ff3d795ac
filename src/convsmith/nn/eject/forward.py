"""A container's `forward`: its steps as statements, calls nested as far as they read well."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, NamedTuple

from convsmith.nn.eject.layout import Arg, Call, Text, flat, is_attribute, positional, quoted, statement
from convsmith.nn.eject.tree import Box, Child, Leaf, Step
from convsmith.spec.nodes.shape import FlattenLayer, Permute, Slice

NESTED = 64
"""Characters up to which calls are nested."""

JOINED = 78
"""The same for the terms of a sum, a product or a concatenation."""

HEAVY = ("convolution", "linear")
"""Categories of layers that begin a statement."""


class Value(NamedTuple):
    """An expression not yet written: what it is, whether it needs parentheses, the names it reads."""

    slot: int
    expression: Any
    loose: bool
    reads: frozenset[str]
    step: Step


@dataclass
class Forward:
    """Writes the statements of one container; `skips` has, for sums that not all have, the attribute that tells."""

    box: Box
    layers: Mapping[str, Child]
    skips: Mapping[str, str]
    inline: frozenset[str]
    taps: tuple[str, ...] = ()
    code: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        many = self.box.inputs > 1
        self.inputs = ["x"] if not many else list("xyzuvw"[: self.box.inputs])
        if self.box.inputs > 6:
            self.inputs = [f"x{i}" for i in range(self.box.inputs)]
        self.at = dict(enumerate(self.inputs))
        self.pending: list[Value] = []
        reads = [slot for step in self.box.steps for slot in step.args]
        self.uses = Counter([*reads, *self.box.outputs])
        self.left = Counter(self.uses)
        meets = any(
            len(s.args) > (2 if s.kind == "concat" else 1) for s in self.box.steps if s.kind in ("concat", "call")
        )
        self.wide = meets or self._widest() > 3

    def write(self, root: bool) -> list[str]:
        """Statements, without indent."""
        chunked: set[str] = set()
        for step in self.box.steps:
            parts = self._parts(step)
            if step.name in chunked:
                continue
            if parts:
                self._chunk(parts)
                chunked |= {part.name for part in parts}
            else:
                self._step(step)
        self._return(root)
        return self.code

    def _parts(self, step: Step) -> list[Step]:
        """All steps that slice the same value as this one does."""
        if not isinstance(getattr(self.layers.get(step.name), "node", None), Slice):
            return []
        return [
            other for other in self.box.steps
            if other.args == step.args and isinstance(getattr(self.layers.get(other.name), "node", None), Slice)
        ]  # fmt: skip

    def _chunk(self, parts: list[Step]) -> None:
        self._flush()
        source = self.at[parts[0].args[0]]
        self.left[parts[0].args[0]] -= len(parts)
        names: list[str] = []
        for part in parts:
            self.at[part.results[0]] = ""
            names.append(self._new_name([f"{source}{len(names) + 1}", part.name]))
            self.at[part.results[0]] = names[-1]
        self.code += statement("", Text(f"{', '.join(names)} = {source}.chunk({len(parts)}, dim=1)"))

    def _step(self, step: Step) -> None:
        nested = self._nested(step)
        if nested is None:
            self._flush()
            nested = []
        texts, reads = {}, set[str]()
        for value in nested:
            self.pending.pop()
            texts[value.slot] = value
            reads |= value.reads
        arguments = []
        for slot in step.args:
            self.left[slot] -= 1
            if slot in texts:
                arguments.append((flat(texts[slot].expression), texts[slot].loose))
            else:
                arguments.append((self.at[slot], False))
                reads.add(self.at[slot])
        expression, loose = self._expression(step, arguments)
        if step.aux:
            self._flush()
            result = step.results
            names = [self._name(step, slot) for slot in result]
            none = ", ".join(["None"] * len(result))
            none = f"({none})" if len(result) > 1 else none
            self.code += statement(f"{', '.join(names)} = ", Text(f"{flat(expression)} if self.training else {none}"))
        elif len(step.results) > 1:
            self._flush()
            names = [self._name(step, slot) for slot in step.results]
            self.code += statement(f"{', '.join(names)} = ", expression)
        else:
            self.pending.append(Value(step.results[0], expression, loose, frozenset(reads), step))
            if self.uses[step.results[0]] != 1:
                self._flush()

    def _nested(self, step: Step) -> list[Value] | None:
        """The unwritten values that can stand inside this step's expression; None if they are to be written first."""
        waiting = {value.slot: value for value in self.pending}
        wanted = [waiting[slot] for slot in step.args if slot in waiting]
        if not wanted:
            plain = step.kind == "call" and not step.aux and len(step.results) == 1
            return [] if plain and len(self.pending) < 8 else None
        if self.pending[-len(wanted) :] != wanted or step.aux or len(step.results) > 1:
            return None
        layer = self.layers.get(step.name)
        heavy = isinstance(layer, Box) or (isinstance(layer, Leaf) and layer.category in HEAVY)
        size = sum(len(flat(value.expression)) for value in wanted) + 4 * len(step.args)
        if (
            heavy
            or size > (NESTED if step.kind == "call" else JOINED)
            or (step.kind == "add" and step.name in self.skips)
        ):
            return None
        return wanted[::-1]

    def _expression(self, step: Step, arguments: list[tuple[str, bool]]) -> tuple[Any, bool]:
        words = [text for text, _ in arguments]
        tight = [f"({text})" if loose else text for text, loose in arguments]
        if step.kind == "add":
            total = " + ".join(words)
            if step.name in self.skips:
                return Text(f"{total} if self.{self.skips[step.name]} else {words[0]}"), True
            return Text(total), True
        if step.kind == "concat":
            return Call("torch.cat", (Arg("", Text(f"({', '.join(words)})")), Arg("dim", 1))), False
        if step.kind == "mul":
            return Text(" * ".join(tight)), True
        layer = self.layers[step.name]
        owner = f"self.{step.name}" if is_attribute(step.name) else f"getattr(self, {quoted(step.name)})"
        if isinstance(layer, Leaf):
            if layer.kind == "layer_scale":
                return Text(f"{tight[0]} * {owner}"), True
            if step.name in self.inline:
                return self._inline(layer, tight[0])
        return Text(f"{owner}({', '.join(words)})"), False

    def _inline(self, layer: Leaf, text: str) -> tuple[Text, bool]:
        if isinstance(layer.node, FlattenLayer):
            return Text(f"{text}.flatten(1)"), False
        if isinstance(layer.node, Permute):
            return Text(f"{text}.permute{flat(layer.recipe.arguments['dims'])}"), False
        return Text(f"{text} * {flat(layer.recipe.arguments['by'])}"), True

    def _flush(self) -> None:
        """Write what is unwritten, each to a name of its own."""
        while self.pending:
            value = self.pending.pop(0)
            name = self._name(value.step, value.slot, value.reads)
            self.code += statement(f"{name} = ", value.expression)

    def _live(self) -> set[str]:
        names = {name for slot, name in self.at.items() if self.left[slot] > 0}
        return names.union(*(value.reads for value in self.pending))

    def _name(self, step: Step, slot: int, reads: frozenset[str] = frozenset()) -> str:
        hint = re.sub(r"_(add|concat|mul)$", "", step.name)
        hint = "out" if hint in ("add", "concat", "mul") else re.sub(r"\W", "_", hint)
        hint = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", hint).lower()
        hint = hint if is_attribute(hint) else f"out{hint}" if hint.isdigit() else "out"
        dying = [name for name in ("out", "x") if name in reads and name not in self._live()]
        short = (
            re.sub(r"_\d+$", "", hint) if step.kind == "call" else hint
        )  # branch_1, then branch_2 of it: both branch
        if hint in ("out", "torch", "self", "nn", "x") or not (self.wide or step.aux):
            choices = [*dying, "out", hint]
        else:
            choices = [short if is_attribute(short) else hint, hint]
        self.at[slot] = self._new_name(choices)
        return self.at[slot]

    def _new_name(self, choices: list[str]) -> str:
        live = self._live() | {"self", "torch", "nn"}
        more = (f"{choices[-1]}_{i}" for i in count(2))
        return next(name for name in chain(choices, more) if name not in live)

    def _widest(self) -> int:
        """The most values that are alive together."""
        last = {slot: i for i, step in enumerate(self.box.steps) for slot in step.args}
        last |= dict.fromkeys(self.box.outputs, len(self.box.steps))
        born = {slot: i for i, step in enumerate(self.box.steps) for slot in step.results}
        born |= dict.fromkeys(range(self.box.inputs), -1)
        return max(
            (sum(born[s] < i <= last.get(s, -1) for s in born) for i in range(len(self.box.steps))), default=0
        )  # fmt: skip

    def _return(self, root: bool) -> None:
        outputs = self.box.outputs
        if len(outputs) == 1 and self.pending and self.pending[-1].slot == outputs[0]:
            last = self.pending.pop()
            self._flush()
            self.code += statement("return ", last.expression)
            return
        self._flush()
        names = [self.at[slot] for slot in outputs]
        if root and len(names) > 1:
            keys = ["logits", *self.taps]
            items = tuple(Text(f"{quoted(key)}: {name}") for key, name in zip(keys, names, strict=True))
            self.code += ["if self.training:", *statement("return ", Call("", positional(items), "{", "}"), "", 1)]
            names = names[:1]
        self.code.append(f"return {', '.join(names)}")
