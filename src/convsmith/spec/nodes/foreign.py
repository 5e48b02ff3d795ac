"""An operation of an imported network for which descriptions have no layer: its word and category, facts beside it."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.spec.errors import SpecError
from convsmith.spec.node import Category, Facts, Leaf
from convsmith.spec.tracer import At, Tracer
from convsmith.spec.widths import Scope


@dataclass(frozen=True)
class Foreign(Leaf):
    """One operation of somebody's module: reshape, matmul, attention. It stands in graphs, never in descriptions.

    `setting` is what tells it from others of its word (the axes of a permutation, the size of a reshape).
    """

    word: str
    group: Category = "shape"
    setting: tuple[int | float | str, ...] = ()

    kind = "foreign"

    @property
    def label(self) -> str:
        return self.word

    @property
    def category(self) -> Category:  # type: ignore[override]
        """The colour and column it belongs to."""
        return self.group

    def infer(self, *_: object) -> Facts:
        """Never: an import brings the facts with it."""
        raise SpecError(f"{self.word}: an imported operation has no rule of its own")

    def flow(self, tracer: Tracer, at: At, prefix: str, scope: Scope) -> At:
        raise SpecError(f"{prefix[:-1] or self.word}: an imported operation cannot stand in a description")
