"""What is wrong with a data set, said before any training: `examine` the evidence, or `diagnose` a place.

The checks themselves are in checks.py; here they are strung together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convsmith.data import checks
from convsmith.data.evidence import Evidence, gather, plan, survey
from convsmith.data.finding import Finding
from convsmith.data.memory import too_large
from convsmith.data.source import Source
from convsmith.data.sources import open_source
from convsmith.data.splits import USUAL, deal, parts
from convsmith.spec.errors import ConvsmithError

ORDER = {"error": 0, "warning": 1, "note": 2}


def examine(
    source: Source, evidence: Evidence, *, classes: Sequence[str] | None = None, skip_unreadable: bool = False
) -> tuple[Finding, ...]:
    """Every finding about the source, errors first.

    `classes`          an enforced class map: labels outside it are errors, classes without images are not.
    `skip_unreadable`  unreadable images are a warning and count for nothing, instead of an error.
    """
    rows = evidence.readable if skip_unreadable else list(range(len(evidence.survey.rows)))
    findings = [
        *source.findings,
        *checks.unreadable(evidence, skip_unreadable),
        *checks.classes(evidence, rows, classes),
        *checks.duplicates(evidence),
        *checks.labels(evidence),
        *checks.mixture(evidence),
        *checks.balance(evidence, rows),
    ]
    return tuple(sorted(findings, key=lambda finding: ORDER[finding.level]))


def diagnose(where: str | Path) -> tuple[Finding, ...]:
    """All that `load(where)` would complain about, as findings; never raises for what is wrong with the data."""
    findings: tuple[Finding, ...] = ()
    try:
        source = open_source(where)
        findings = source.findings
        seen = survey(source)
        made = plan(seen, None, None)
        evidence = gather(source, seen, made, keep=False)
        findings = examine(source, evidence)
        large = too_large(len(evidence.hashes), made.channels, made.side)
        if large:
            findings = (Finding("error", large), *findings)
        if any(finding.level == "error" for finding in findings):
            return findings  # a split of what is left would be blamed for what is missing
        dealt = [i for i in evidence.readable if seen.rows[i][0] in ("all", "train")]
        labels, hashes = [seen.rows[i][1].label for i in dealt], [evidence.hashes[i] for i in dealt]
        deal(labels, hashes, parts(tuple(source.splits)), fractions=USUAL, seed=0)
    except ConvsmithError as error:
        return (Finding("error", str(error)), *findings)
    return findings
