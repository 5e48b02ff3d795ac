"""What the value of a recipe's field may be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any


class Kind(ABC):
    """What a value must be. `read` takes it from a file or the command line, where 1 may stand for 1.0."""

    wanted: str

    @abstractmethod
    def holds(self, value: Any) -> bool:
        """Whether this is such a value."""

    def read(self, value: Any) -> Any:
        """The value in the field's own type, if it can be brought to it without a guess."""
        return value


@dataclass(frozen=True)
class Text(Kind):
    """Any text of at least one character."""

    wanted: str = "a text"

    def holds(self, value: Any) -> bool:
        """Whether this is such a text."""
        return isinstance(value, str) and bool(value)


@dataclass(frozen=True)
class Flag(Kind):
    """True or false."""

    wanted: str = "true or false"

    def holds(self, value: Any) -> bool:
        """Whether this is a truth value; 0 and 1 are none."""
        return isinstance(value, bool)


@dataclass(frozen=True)
class Stages(Kind):
    """Which stages of a network, counted from the back."""

    wanted: str = "all, head or last:N with N of at least 1"

    def holds(self, value: Any) -> bool:
        """Whether this names stages."""
        if not isinstance(value, str):
            return False
        word, _, count = value.partition(":")
        return value in ("all", "head") or (word == "last" and count.isascii() and count.isdigit() and int(count) > 0)


@dataclass(frozen=True)
class Whole(Kind):
    """An integer of at least `low`."""

    low: int

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """In words."""
        return f"an integer of at least {self.low}"

    def holds(self, value: Any) -> bool:
        """Whether this is such an integer."""
        return isinstance(value, int) and not isinstance(value, bool) and value >= self.low


@dataclass(frozen=True)
class Number(Kind):
    """A number from `low` to `high`; the ends belong to it only where `closed` says so: "[)" has the low one."""

    low: float
    high: float
    closed: str = "[)"

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """In words."""
        low = f"{'at least' if self.closed[0] == '[' else 'above'} {self.low:g}"
        return f"{low} and {'at most' if self.closed[1] == ']' else 'below'} {self.high:g}"

    def holds(self, value: Any) -> bool:
        """Whether this is such a number; no number is not."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        low = self.low <= value if self.closed[0] == "[" else self.low < value
        return low and (value <= self.high if self.closed[1] == "]" else value < self.high)

    def read(self, value: Any) -> Any:
        """Integers become numbers."""
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@dataclass(frozen=True)
class Choice(Kind):
    """One of some words."""

    words: tuple[str, ...]

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """In words."""
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def holds(self, value: Any) -> bool:
        """Whether this is one of them."""
        return isinstance(value, str) and value in self.words

    def read(self, value: Any) -> Any:
        """The command line reads the word none as no value."""
        return "none" if value is None and "none" in self.words else value


@dataclass(frozen=True)
class Rising(Kind):
    """A tuple of numbers that never fall, each held by `number`; of exactly `length` of them if that is given."""

    number: Number
    length: int | None = None

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """In words."""
        what = "shares" if self.length is None else "two numbers"
        return f"{what} that do not fall, each {self.number.wanted}"

    def holds(self, value: Any) -> bool:
        """Whether this is such a tuple."""
        if not isinstance(value, tuple) or self.length not in (None, len(value)):
            return False
        return all(map(self.number.holds, value)) and list(value) == sorted(value)

    def read(self, value: Any) -> Any:
        """Lists become tuples and integers in them numbers, as does a text like 0.5,0.75; a number is one of one."""
        if isinstance(value, str):
            try:
                value = [float(word) for word in value.strip("[] ").split(",") if word.strip()]
            except ValueError:
                return value
        if value is None:
            return ()
        numbers = value if isinstance(value, list | tuple) else (value,)
        return tuple(map(self.number.read, numbers))


@dataclass(frozen=True)
class Optional(Kind):
    """Such a value or none, which leaves it to the data."""

    kind: Kind

    @property
    def wanted(self) -> str:  # type: ignore[override]
        """In words."""
        return self.kind.wanted

    def holds(self, value: Any) -> bool:
        """Whether this is such a value or none."""
        return value is None or self.kind.holds(value)

    def read(self, value: Any) -> Any:
        """As the kind reads it; the word none is no value."""
        return None if value == "none" else self.kind.read(value)
