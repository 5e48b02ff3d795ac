"""The numbers of alike containers as arguments of one class: constants are written in, the rest told by few names.

What varies is first sought among what is known (the channels that enter and leave, arguments found before), as it is or
in a simple relation (`out_channels // 4`, `in_channels * expansion`, `kernel // 2`); only then is it a new argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from convsmith.nn.eject.layout import Text, same
from convsmith.nn.eject.tree import Classes

CHANNELS = frozenset(
    ["in_channels", "out_channels", "num_features", "in_features", "out_features", "normalized_shape", "channels"]
)
WORDS = {"kernel_size": "kernel", "p": "dropout", "rate": "drop_rate", "classes": "classes", "table": "table"}
DEFAULTS: dict[str, Any] = {
    "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "drop_rate": 0.0, "flag": False, "none": 0,
}  # fmt: skip

Vector = Sequence[Any]
"""One value for each member; None where it lacks the layer."""


@dataclass
class Param:
    """An argument of a class: its kind, its value in every member, and where it was first met."""

    kind: str
    values: list[Any]
    hint: tuple[str, ...] = ()
    name: str = ""
    used: bool = False
    default: Any = ...

    def fits(self, vector: Vector) -> bool:
        """Whether it has these values, or can have them where it has none yet."""
        return all(v is None or p is None or same(plain(v), plain(p)) for v, p in zip(vector, self.values, strict=True))


class Fit:
    """Arguments of one class, found by asking for the text of every number in turn, twice; see `freeze`."""

    def __init__(self, entering: Sequence[int], leaving: Sequence[int], *, alone: bool, word: str = "width") -> None:
        self.word = word  # for channels inside that have no other name
        self.alone = alone
        if list(entering) == list(leaving):
            self.params = [Param("channels", list(entering), name="channels")]
        else:
            self.params = [
                Param("channels", list(entering), name="in_channels"),
                Param("channels", list(leaving), name="out_channels"),
            ]
        self.ends = len(self.params)
        self.frozen = False
        self.counts: dict[str, int] = {}
        self.locals: dict[str, str] = {}

    def value(self, vector: Vector, kind: str, hint: tuple[str, ...]) -> Any:
        """A literal or `Text` for these values."""
        known = [value for value in vector if value is not None]
        if any(isinstance(value, Classes) for value in known):
            return self._param(vector, "classes", hint)
        if self.alone or (all(same(plain(value), plain(known[0])) for value in known)):
            return known[0] if known else DEFAULTS.get(kind)
        text = self._channels(vector, hint) if kind == "channels" else self._other(vector, kind, hint)
        self.counts[text] = self.counts.get(text, 0) + 1
        return Text(self.locals.get(text, text))

    def flag(self, vector: Sequence[bool | None], hint: str) -> str:
        """A condition that holds for the members where `vector` does; None is for those it does not concern."""
        found = self._conditions(vector)
        if not (self.frozen and found):
            return str(self._param([bool(value) for value in vector], "flag", (hint,)))
        text, use = found[0]
        for param in use:
            param.used = True
        return text

    def freeze(self) -> None:
        """After the first asking: name what was found, fill what no member tells, and begin anew."""
        self._christen()
        for param in self.params:
            if None in param.values:
                param.default = DEFAULTS.get(param.kind, 0)
                param.values = [param.default if value is None else value for value in param.values]
            elif param.kind in DEFAULTS:
                param.default = DEFAULTS[param.kind]
            elif param.kind in ("activation", "kernel_size"):
                common = max(param.values, key=param.values.count)
                param.default = common if 2 * param.values.count(common) > len(param.values) else ...
        self.frozen = True
        self.again()

    def again(self) -> None:
        """Forget what was used, for another asking."""
        if self.frozen:
            self.locals = self._locals()
        for param in self.params:
            param.used = False
        self.counts = {}

    @property
    def arguments(self) -> list[Param]:
        """Those that are used: without a default first, channels before the rest."""
        used = [param for param in self.params if param.used]
        return sorted(used, key=lambda p: (p.default is not ..., p.kind not in ("channels", "expansion", "classes")))

    def _locals(self) -> dict[str, str]:
        """Names for the expressions that stand in several places."""
        found: dict[str, str] = {}
        taken = {param.name for param in self.params}
        for text, uses in self.counts.items():
            if uses > 1 and any(sign in text for sign in "*/") and "kernel" not in text:
                word = "hidden" if "*" in text else "width"
                name = next(n for n in (word, *(f"{word}{i}" for i in range(2, 99))) if n not in taken)
                taken.add(name)
                found[text] = name
        return found

    def _word(self, param: Param) -> str:
        """What channels inside are called: hidden where they are no fewer than those that enter."""
        pairs = zip(param.values, self.params[0].values, strict=True)
        known = [(inner, outer) for inner, outer in pairs if inner is not None and outer is not None]
        wider = param.kind == "channels" and all(inner >= outer for inner, outer in known)
        return "hidden" if wider and self.word == "width" else self.word

    def _param(self, vector: Vector, kind: str, hint: tuple[str, ...]) -> Text:
        for param in self.params:
            if param.kind == kind and param.fits(vector):
                self._fill(param, vector)
                return Text(param.name)
        assert not self.frozen, "a second asking finds what the first one left"
        self.params.append(Param(kind, [None] * len(vector), hint, name=f"<{len(self.params)}>"))
        return self._param(vector, kind, hint)

    def _fill(self, param: Param, vector: Vector) -> None:
        param.used = True
        param.values = [v if p is None else p for p, v in zip(param.values, vector, strict=True)]

    def _other(self, vector: Vector, kind: str, hint: tuple[str, ...]) -> Text:
        if kind == "padding":
            for param in (p for p in self.params if p.kind == "kernel_size"):
                halves = [k // 2 if isinstance(k, int) else None for k in param.values]
                if all(v is None or (k is not None and same(v, k)) for v, k in zip(vector, halves, strict=True)):
                    param.used = True
                    return Text(f"{param.name} // 2")
        if kind in ("groups", "extra"):
            text = self._relation(vector) if kind == "groups" else self._pair(vector, self.params[: self.ends])
            if text is not None:
                return text
        return self._param(vector, kind, hint)

    def _channels(self, vector: Vector, hint: tuple[str, ...]) -> Text:
        found = self._relation(vector)
        if found is not None:
            return found
        first = self.params[0]
        ratios = [
            None if v is None else v // n if v % n == 0 else -1 for v, n in zip(vector, first.values, strict=True)
        ]
        known = [ratio for ratio in ratios if ratio is not None]
        if -1 not in known and len(set(known)) < len({v for v in vector if v is not None}) and len(set(known)) < 4:
            first.used = True
            return Text(f"{first.name} * {self._param(ratios, 'expansion', ('expansion',))}")
        return self._param(vector, "channels", hint)

    def _relation(self, vector: Vector) -> Text | None:
        """As a known number of channels, or in a simple relation to one or two."""
        channels = [param for param in self.params if param.kind == "channels"]
        for param in channels:
            if param.fits(vector):
                self._fill(param, vector)
                return Text(param.name)
        first = self.params[0]
        for param in (param for param in self.params if param.kind == "expansion" and None not in param.values):
            if all(v is None or v == n * e for v, n, e in zip(vector, first.values, param.values, strict=True)):
                first.used = param.used = True
                return Text(f"{first.name} * {param.name}")
        for param in channels:
            pairs = [(v, p) for v, p in zip(vector, param.values, strict=True) if v is not None]
            if len({v for v, _ in pairs}) < 2 or any(p is None for _, p in pairs):
                continue
            v, p = pairs[0]
            text = None
            if v > p and v % p == 0 and all(a == b * (v // p) for a, b in pairs):
                text = f"{param.name} * {v // p}"
            elif v < p and v and all(a == b // (p // v) for a, b in pairs):
                text = f"{param.name} // {p // v}"
            if text is not None:
                param.used = True
                return Text(text)
        if len({v for v in vector if v is not None}) > 1:
            return self._pair(vector, channels)
        return None

    def _pair(self, vector: Vector, channels: Sequence[Param]) -> Text | None:
        """As a sum or difference of two numbers, or of one and a constant."""
        for i, a in enumerate(channels):
            for j, b in enumerate(channels):
                both = [None if None in pair else pair for pair in zip(a.values, b.values, strict=True)]
                sums = [pair and pair[0] + pair[1] for pair in both]
                gaps = [pair and pair[0] - pair[1] for pair in both]
                for sign, values, wanted in (("+", sums, i < j), ("-", gaps, i != j)):
                    if wanted and all(v is None or v == w for v, w in zip(vector, values, strict=True)):
                        a.used = b.used = True
                        return Text(f"{a.name} {sign} {b.name}")
        for param in channels[: self.ends]:
            steps = {v - p for v, p in zip(vector, param.values, strict=True) if v is not None and p is not None}
            if len(steps) == 1 and all(p is not None for p in param.values) and len(set(param.values)) > 2:
                gap = steps.pop()
                param.used = True
                return Text(f"{param.name} {'+' if gap > 0 else '-'} {abs(gap)}")
        return None

    def _conditions(self, vector: Sequence[bool | None]) -> list[tuple[str, list[Param]]]:
        """Ways to tell the members where `vector` holds from the others, the most telling first."""
        ends, strides = self.params[: self.ends], [p for p in self.params if p.kind == "stride"]
        found: list[tuple[str, list[bool], list[Param]]] = []
        stride = strides[0] if strides else None
        if len(ends) == 2:
            a, b = ends
            changed = [x != y for x, y in zip(a.values, b.values, strict=True)]
            if stride is not None:
                steps = [value != 1 for value in stride.values]
                both = [x or y for x, y in zip(steps, changed, strict=True)]
                text = (f"{stride.name} != 1 or {a.name} != {b.name}", f"{stride.name} == 1 and {a.name} == {b.name}")
                found += [(text[0], both, [stride, a, b]), (text[1], [not x for x in both], [stride, a, b])]
            found += [(f"{a.name} != {b.name}", changed, [a, b])]
            found += [(f"{a.name} == {b.name}", [not x for x in changed], [a, b])]
        if stride is not None:
            found += [(f"{stride.name} != 1", [value != 1 for value in stride.values], [stride])]
            found += [(f"{stride.name} == 1", [value == 1 for value in stride.values], [stride])]
        for param in self.params:
            if param.kind == "expansion":
                found += [(f"{param.name} != 1", [value != 1 for value in param.values], [param])]
            if param.kind == "channels" and param.default == 0:
                found += [(f"{param.name} > 0", [value > 0 for value in param.values], [param])]
        hidden = [p for p in self.params[self.ends :] if p.kind == "channels" and p.default is ... and ends]
        for param in hidden:
            if None not in param.values:
                wide = [x != y for x, y in zip(param.values, ends[0].values, strict=True)]
                found += [(f"{param.name} != {ends[0].name}", wide, [param, ends[0]])]
        return [
            (text, use)
            for text, values, use in found
            if all(wanted is None or wanted == value for wanted, value in zip(vector, values, strict=True))
        ]

    def _christen(self) -> None:
        """Names for the arguments found: the word of their kind, told apart by where they were first met."""
        taken = {param.name for param in self.params[: self.ends]} | {"self", "x", "out", "nn", "torch"}
        for param in self.params[self.ends :]:
            alike = [
                other
                for other in self.params[self.ends :]
                if other.kind == param.kind and (other is param or not _given(other))
            ]
            places = [other.hint[:1] for other in alike]
            param.name = next(
                name
                for name in _names(param, self._word(param), len(alike) == 1, places.count(param.hint[:1]) == 1)
                if name not in taken
            )
            taken.add(param.name)


def plain(value: Any) -> Any:
    """Without marks."""
    return int(value) if isinstance(value, Classes) else value


def _given(param: Param) -> str:
    """The name that it has in the class it is handed to, if that is a telling one."""
    last = param.hint[-1] if param.hint else ""
    return last[1:] if last.startswith("=") and last not in ("=width", "=hidden") else ""


def _names(param: Param, inner: str, single: bool, apart: bool) -> Iterator[str]:
    """Names that an argument may have, the best first."""
    parts = [re.sub(r"\W", "_", part) for part in param.hint if not part.startswith("=")]
    word = {"channels": inner, "flag": parts[0] if parts else "flag"}.get(param.kind, WORDS.get(param.kind, param.kind))
    if given := _given(param):
        yield given
    elif (single and param.kind != "flag") or param.kind == "expansion":
        yield word
    if param.kind == "flag":
        yield f"with_{word}"
    elif param.kind != "expansion":
        for end in range(1 if apart else 2, len(parts) + 1):
            place = "_".join(parts[:end]).strip("_")
            if not place[:1].isdigit():
                yield place if param.kind == "channels" else f"{place}_{word}"
    yield from (f"{word}{i}" for i in count(1))


def kind_of(argument: str) -> str:
    """The kind of number that a layer's argument is."""
    return "channels" if argument in CHANNELS else argument
