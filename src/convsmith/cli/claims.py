"""`convsmith claims`: what others say in numbers, recomputed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from convsmith.cli.guard import guarded

if TYPE_CHECKING:
    from convsmith.views.claims import Claim

WIDEST = 120


@guarded
def command(
    patterns: Annotated[
        list[str] | None, typer.Argument(metavar="[PATTERN]...", help="Glob patterns over names, in quotes.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Those of one topic, as memory or receptive-field.")] = None,
    verdict: Annotated[str | None, typer.Option(help="Those that are: holds, rounded or wrong.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List quantitative statements of the course notes and papers, each with our number and whether it holds.

    Every number is computed anew. Rounded means: so within the digits printed.

    Example: convsmith claims 'vgg*' --verdict wrong
    """
    from convsmith.views.claims import TOPICS, VERDICTS, check
    from convsmith.views.claims.words import lines, plain, summary

    _known("topic", topic, TOPICS)
    _known("verdict", verdict, VERDICTS)
    asked = [claim for claim in _named(patterns or ["*"]) if topic in (None, claim.topic)]
    found = [one for one in map(check, asked) if verdict in (None, one.verdict)]
    if json_:
        import json

        print(json.dumps([plain(one) for one in found], ensure_ascii=False, indent=1))
        return
    from shutil import get_terminal_size

    width = min(WIDEST, max(60, get_terminal_size((WIDEST, 24)).columns))
    for one in found:
        print("\n".join(lines(one, width)))
    print(summary(found))


def _named(patterns: list[str]) -> list[Claim]:
    """The claims whose names match, in their own order. Raises UnknownName for a pattern without a claim."""
    from fnmatch import fnmatchcase

    from convsmith.spec.errors import UnknownName, nearest
    from convsmith.views.claims import CLAIMS

    names = [claim.id for claim in CLAIMS]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UnknownName(
                f"no claim matches {pattern!r}{nearest(pattern.strip('*'), names)} (`convsmith claims` shows all)"
            )
    return [claim for claim in CLAIMS if any(fnmatchcase(claim.id, pattern) for pattern in patterns)]


def _known(word: str, given: str | None, known: tuple[str, ...]) -> None:
    """Raises UnknownName for a topic or verdict that there is not."""
    from convsmith.spec.errors import UnknownName, nearest

    if given is not None and given not in known:
        raise UnknownName(f"no {word} is called {given!r}{nearest(given, known)} (there are {', '.join(known)})")
