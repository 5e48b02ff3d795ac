"""A choice: what is chosen, among what, and when there is anything to choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convsmith.spec.errors import SpaceError

Value = int | float | str | bool
Settings = Mapping[str, Value]
"""What was chosen, by the name of the choice."""


@dataclass(frozen=True)
class Choice:
    """One of `options`, which JSON can hold and tells apart.

    `when` is another, earlier choice and those of its options under which this one is there at all.
    """

    name: str
    options: tuple[Value, ...]
    when: tuple[str, tuple[Value, ...]] | None = None

    def __post_init__(self) -> None:
        if not self.options:
            raise SpaceError(f"choice {self.name!r} has no option; give it one or more, or leave it out")
        for value in self.options:
            if not isinstance(value, int | float | str):
                raise SpaceError(f"choice {self.name!r}: options are numbers, words or true and false, got {value!r}")
        if len(set(self.options)) < len(self.options):
            raise SpaceError(f"choice {self.name!r} has an option twice: {', '.join(map(repr, self.options))}")
