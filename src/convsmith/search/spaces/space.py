"""A space: choices, and the network that they make."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from convsmith.search.spaces.choice import Choice, Settings, Value
from convsmith.search.spaces.numbering import Numbering, Rows
from convsmith.search.spaces.segment import Segment
from convsmith.spec.errors import SpaceError, nearest
from convsmith.spec.network import Network
from convsmith.spec.trace import Graph, trace

FORMAT, VERSION = "convsmith.genome", 1
CHUNK = 2**16
MOST_OPTIONS = 256
"""Options of a choice at most, as members hold their index in a byte."""


@dataclass(frozen=True, eq=False)
class Space:
    """`network(settings)` is what a member's choices make. Every member traces.

    about     what the space is, and where it comes from
    images    what else the networks depend on: side, channels and classes of the images
    segments  the network's parts in order, each of which reads a few choices, where it is made of such; then the costs
              of members are looked up (search/tables.py)

    Raises SpaceError for choices that are none, twice there, or that name an unknown or later one in `when`.
    """

    name: str
    about: str
    choices: tuple[Choice, ...]
    network: Callable[[Settings], Network]
    images: Mapping[str, int] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()

    def __post_init__(self) -> None:
        if not self.choices:
            raise SpaceError(f"space {self.name!r} has no choice, so there is nothing to search")
        known: dict[str, Choice] = {}
        for choice in self.choices:
            if choice.name in known:
                raise SpaceError(f"space {self.name!r} has two choices called {choice.name!r}")
            if len(choice.options) > MOST_OPTIONS:
                raise SpaceError(
                    f"choice {choice.name!r} has {len(choice.options)} options; {MOST_OPTIONS} is the most"
                )
            self._check_when(choice, known)
            known[choice.name] = choice

    def _check_when(self, choice: Choice, known: Mapping[str, Choice]) -> None:
        if choice.when is None:
            return
        name, values = choice.when
        if name not in known:
            raise SpaceError(f"choice {choice.name!r} is there when {name!r}, which is no choice before it"
                             f"{nearest(name, known)}")  # fmt: skip
        for value in values or (None,):
            if value not in known[name].options:
                raise SpaceError(f"choice {choice.name!r} is there when {name} is {value!r}, which it never is")

    @cached_property
    def numbering(self) -> Numbering:
        """The members by number."""
        return Numbering(self.choices)

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Where a choice stands."""
        return {choice.name: i for i, choice in enumerate(self.choices)}

    @property
    def size(self) -> int:
        """How many members the space has."""
        return self.numbering.size

    @cached_property
    def sha256(self) -> str:
        """Of its name, its images and its choices: two spaces of one hash have the same genomes."""
        choices = [[c.name, list(c.options), c.when and [c.when[0], list(c.when[1])]] for c in self.choices]
        return _sha256({"space": self.name, "images": dict(self.images), "choices": choices})

    def draw(self, count: int, seed: int = 0) -> list[Genome]:
        """So many members, with repetition, each as likely as any other."""
        return self.genomes(self.numbering.draw(count, np.random.default_rng(seed)))

    def members(self) -> Iterator[Genome]:
        """All of them, in the order of their numbers."""
        for start in range(0, self.size, CHUNK):
            yield from self.genomes(self.numbering.block(start, min(start + CHUNK, self.size)))

    def genomes(self, rows: Rows) -> list[Genome]:
        """Members from columns of options' indices."""
        return [Genome(self, tuple(column)) for column in rows.T.tolist()]

    def rows(self, genomes: Sequence[Genome]) -> Rows:
        """Inverse of `genomes`."""
        return np.array([genome.at for genome in genomes], np.uint8).reshape(-1, len(self.choices)).T

    def genome(self, settings: Settings) -> Genome:
        """The member with these choices. Raises SpaceError for one too many, one missing, and a value that is none."""
        at, left = [0] * len(self.choices), dict(settings)
        for i, choice in enumerate(self.choices):
            if not self._there(choice, at):
                continue
            if choice.name not in left:
                raise SpaceError(f"{self.name}: {choice.name!r} is not chosen; it is one of {_said(choice.options)}")
            value = left.pop(choice.name)
            if value not in choice.options or isinstance(value, bool) != isinstance(choice.options[0], bool):
                raise SpaceError(f"{self.name}: {choice.name} is one of {_said(choice.options)}, got {value!r}")
            at[i] = choice.options.index(value)
        if left:
            name = next(iter(left))
            if name in self.place:
                when = self.choices[self.place[name]].when
                assert when is not None  # else it would have been taken
                raise SpaceError(f"{self.name}: {name!r} is there only when {when[0]} is {_said(when[1])}")
            raise SpaceError(f"{self.name} has no choice {name!r}{nearest(name, self.place)}")
        return Genome(self, tuple(at))

    def from_json(self, data: Any) -> Genome:
        """Inverse of `Genome.to_json`. Raises SpaceError for a genome of another space, and as `genome` does."""
        if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("choices"), dict):
            raise SpaceError(f"this is no genome: it needs format {FORMAT!r} and choices")
        if data.get("version") != VERSION:
            raise SpaceError(f"the genome is of version {data.get('version')!r}; this convsmith reads {VERSION}")
        if data.get("space") != self.name or data.get("images") != dict(self.images):
            theirs, ours = (f"{name} for {images}" for name, images in (
                (data.get("space"), data.get("images")), (self.name, dict(self.images))))  # fmt: skip
            raise SpaceError(f"the genome is of {theirs}, and this space is {ours}")
        return self.genome(data["choices"])

    def there(self, at: Sequence[int]) -> list[bool]:
        """Which choices are there where these options are taken."""
        return [self._there(choice, at) for choice in self.choices]

    def _there(self, choice: Choice, at: Sequence[int]) -> bool:
        if choice.when is None:
            return True
        parent = self.choices[self.place[choice.when[0]]]
        return self._there(parent, at) and parent.options[at[self.place[parent.name]]] in choice.when[1]


@dataclass(frozen=True)
class Genome:
    """A member of a space: the index of each choice's option, 0 where a choice is not there."""

    space: Space
    at: tuple[int, ...]

    @property
    def settings(self) -> dict[str, Value]:
        """The choices that are there."""
        choices = zip(self.space.choices, self.at, self.space.there(self.at), strict=True)
        return {choice.name: choice.options[i] for choice, i, there in choices if there}

    @property
    def network(self) -> Network:
        """The description."""
        return self.space.network(self.settings)

    @property
    def graph(self) -> Graph:
        """The trace."""
        return trace(self.network)

    def to_json(self) -> dict[str, Any]:
        """Plain data, the same in every process: choices stand in the space's order."""
        where = {"format": FORMAT, "version": VERSION, "space": self.space.name, "images": dict(self.space.images)}
        return where | {"choices": self.settings}

    @property
    def sha256(self) -> str:
        """Of the canonical JSON."""
        return _sha256(self.to_json())

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.settings.items())


def _sha256(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _said(options: Sequence[Value]) -> str:
    return ", ".join(map(repr, options))
