"""Candidates from their rows, whatever they are."""

from __future__ import annotations

from typing import Any

from convsmith.search.candidate import Candidate
from convsmith.search.designs import Design
from convsmith.search.drawn import Drawn
from convsmith.search.quick import Quick
from convsmith.search.trained import Trained


def from_json(data: dict[str, Any]) -> Candidate:
    """Inverse of `Candidate.to_json`. Raises KeyError or TypeError for what is no row, SpaceError."""
    if "variant" in data:
        return Trained.from_json(data)
    if "space" in data:
        return Drawn.from_json(data)
    return Quick(**data) if "quick" in data else Design(**data)
