"""The members of a space by number: how many there are, the one of a number, and draws in which each is as likely.

Choices are the nodes of a forest: one that is there only under some options of another hangs below these. A number is
read as digits of mixed radix, a root each; a root's digit says its option, and what is left of it the choices below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from convsmith.search.spaces.choice import Choice

Rows = NDArray[np.uint8]
"""Members, one a column: the option's index of each choice, (choices, members); 0 where a choice is not there."""
Numbers = NDArray[np.int64]


class Numbering:
    """Of `choices`, each of which stands behind the one that its `when` names."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.choices = tuple(choices)
        place = {choice.name: i for i, choice in enumerate(self.choices)}
        self.roots = [i for i, choice in enumerate(self.choices) if choice.when is None]
        self._below: dict[tuple[int, int], list[int]] = {}
        for i, choice in enumerate(self.choices):
            if choice.when is not None:
                parent = place[choice.when[0]]
                for value in choice.when[1]:
                    self._below.setdefault((parent, self.choices[parent].options.index(value)), []).append(i)

    @cached_property
    def size(self) -> int:
        """How many members there are."""
        return prod(self._total(root) for root in self.roots)

    def below(self, choice: int, option: int) -> list[int]:
        """The choices that are there because this option was taken."""
        return self._below.get((choice, option), [])

    def block(self, start: int, stop: int) -> Rows:
        """Members `start` to `stop` - 1, for numbers below 2^63."""
        left = np.arange(start, stop, dtype=np.int64)
        digits: dict[int, Numbers] = {}
        for root in reversed(self.roots):
            left, digits[root] = np.divmod(left, self._total(root))
        return self._filled(digits, stop - start)

    def draw(self, count: int, random: np.random.Generator) -> Rows:
        """So many members, with repetition, each as likely as any other."""
        return self._filled({root: random.integers(self._total(root), size=count) for root in self.roots}, count)

    def _filled(self, digits: Mapping[int, Numbers], count: int) -> Rows:
        rows = np.zeros((len(self.choices), count), np.uint8)
        for root, left in digits.items():
            self._fill(rows, root, left, np.arange(count))
        return rows

    def _fill(self, rows: Rows, choice: int, left: Numbers, members: Numbers) -> None:
        sizes = self._sizes(choice)
        ends = np.cumsum(sizes)
        option = np.searchsorted(ends, left, side="right")
        rows[choice, members] = option
        for taken in range(len(sizes)):
            if children := self.below(choice, taken):
                here = option == taken
                rest, whose = left[here] - (ends[taken] - sizes[taken]), members[here]
                for child in reversed(children):
                    rest, own = np.divmod(rest, self._total(child))
                    self._fill(rows, child, own, whose)

    def _sizes(self, choice: int) -> list[int]:
        options = range(len(self.choices[choice].options))
        return [prod(self._total(child) for child in self.below(choice, option)) for option in options]

    def _total(self, choice: int) -> int:
        return sum(self._sizes(choice))
