"""Quantitative statements of the course notes and the papers, recomputed: one file a topic.

Each topic's file holds claims as data; `counts` and `pieces` compute, `claim` compares, `page` writes docs/claims.md.
What only a training can tell (accuracy, speed) is not among them.
"""

from __future__ import annotations

from convsmith.spec.errors import ClaimError
from convsmith.views.claims import architecture, computation, fields, layers, memory, parameters, scaling
from convsmith.views.claims.claim import (
    TOPICS,
    VERDICTS,
    Checked,
    Claim,
    Printed,
    Verdict,
    check,
    judge,
    printed,
)

CLAIMS: tuple[Claim, ...] = (
    *architecture.CLAIMS, *parameters.CLAIMS, *computation.CLAIMS, *layers.CLAIMS, *fields.CLAIMS, *memory.CLAIMS,
    *scaling.CLAIMS,
)  # fmt: skip

__all__ = [
    "CLAIMS",
    "TOPICS",
    "VERDICTS",
    "Checked",
    "Claim",
    "ClaimError",
    "Printed",
    "Verdict",
    "check",
    "judge",
    "printed",
]
