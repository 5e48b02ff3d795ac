"""Python source as values, and its lines as `ruff format` leaves them: a call on one line, or an argument a line."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

WIDTH = 120
"""The longest line."""

INDENT = "    "


class Text(str):
    """An expression, where a plain string would be a literal."""

    __slots__ = ()


class Rate(float):
    """`top * step / steps`, a rate that rises from layer to layer."""

    top: float
    step: int
    steps: int

    @staticmethod
    def of(top: float, step: int, steps: int) -> Rate:
        """The rate of one step."""
        rate = Rate(top * step / steps)
        rate.top, rate.step, rate.steps = top, step, steps
        return rate

    def text(self, step: str) -> str:
        """With another word for the step."""
        return f"{self.top} * {step} / {self.steps}"


class Arg(NamedTuple):
    """An argument; one that has its default is not written."""

    name: str
    value: Any
    default: Any = ...


@dataclass(frozen=True)
class Call:
    """`function(args)`; arguments without a name are positional. `star` stands before it."""

    function: str
    args: tuple[Arg, ...] = ()
    opening: str = "("
    closing: str = ")"
    star: str = ""

    @property
    def written(self) -> tuple[Arg, ...]:
        """The arguments that are not their defaults."""
        return tuple(arg for arg in self.args if not same(arg.value, arg.default))


@dataclass(frozen=True)
class Each:
    """`*[item for i in range]`."""

    item: Any
    loop: str
    star: str = "*"
    brackets: tuple[str, str] = ("[", "]")


@dataclass(frozen=True)
class Maybe:
    """`*([item] if condition else [])`."""

    item: Any
    condition: str


def same(a: Any, b: Any) -> bool:
    """Equal and of one type, so that 0 is not False and `x` not `"x"`."""
    return type(a) is type(b) and bool(a == b)


def flat(value: Any) -> str:
    """On one line."""
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, Call):
        return f"{value.star}{value.function}{value.opening}{', '.join(map(_flat_arg, value.written))}{value.closing}"
    if isinstance(value, Each):
        opening, closing = value.brackets
        return f"{value.star}{opening}{flat(value.item)} {value.loop}{closing}"
    if isinstance(value, Maybe):
        return f"*([{flat(value.item)}] if {value.condition} else [])"
    if isinstance(value, Rate):
        return value.text(str(value.step)) if value.step and value.steps > 1 else repr(float(value))
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(flat, value))}{',' * (len(value) == 1)})"
    if isinstance(value, float):
        return re.sub(r"e-0(\d)", r"e-\1", repr(value))
    return repr(int(value) if type(value).__base__ is int and type(value) is not bool else value)


def quoted(text: str) -> str:
    """A literal, in double quotes unless there are some inside."""
    literal = repr(text)
    return literal if '"' in text or literal[0] == '"' else f'"{literal[1:-1]}"'


def lines(prefix: str, value: Any, suffix: str = "", indent: int = 0) -> list[str]:
    """`prefix value suffix`, broken where it is too long."""
    start = INDENT * indent
    one = start + prefix + flat(value) + suffix
    if len(one) <= WIDTH:
        return [one]
    if _is_generator(value):
        inside = lines("", value.written[0].value, "", indent + 1)
        return [f"{start}{prefix}{value.function}(", *inside, f"{start}){suffix}"]
    if isinstance(value, Call) and value.written:
        inner = [line for arg in value.written for line in lines(_name(arg), arg.value, ",", indent + 1)]
        opening = f"{start}{prefix}{value.star}{value.function}{value.opening}"
        return [opening, *inner, f"{start}{value.closing}{suffix}"]
    if isinstance(value, Each):
        opening, closing = value.brackets
        if not opening:
            return [*lines(prefix, value.item, "", indent), start + value.loop]
        item = lines("", value.item, "", indent + 1)
        return [f"{start}{prefix}{value.star}{opening}", *item, f"{INDENT * (indent + 1)}{value.loop}",
                f"{start}{closing}{suffix}"]  # fmt: skip
    if isinstance(value, Maybe):
        rest = (f"[{flat(value.item)}]", f"if {value.condition}", "else []")
        return [f"{start}{prefix}*(", *(INDENT * (indent + 1) + line for line in rest), f"{start}){suffix}"]
    if isinstance(value, tuple) and value:
        inner = [line for item in value for line in lines("", item, ",", indent + 1)]
        return [f"{start}{prefix}(", *inner, f"{start}){suffix}"]
    return [one]


def statement(prefix: str, value: Any, suffix: str = "", indent: int = 0) -> list[str]:
    """`lines` of a method's body, without the indent that they are to have."""
    return [line[2 * len(INDENT) :] for line in lines(prefix, value, suffix, indent + 2)]


def is_attribute(name: str) -> bool:
    """Whether `self.NAME` can be written, and means that name."""
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")


def positional(values: Iterable[Any]) -> tuple[Arg, ...]:
    """Arguments without names."""
    return tuple(Arg("", value) for value in values)


def _is_generator(value: Any) -> bool:
    """A call of a generator alone, behind which no comma can stand."""
    only = value.written[0].value if isinstance(value, Call) and len(value.written) == 1 else None
    return isinstance(only, Each) and only.brackets == ("", "")


def _name(arg: Arg) -> str:
    return f"{arg.name}=" if arg.name else ""


def _flat_arg(arg: Arg) -> str:
    return _name(arg) + flat(arg.value)
