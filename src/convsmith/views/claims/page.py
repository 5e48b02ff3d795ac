"""docs/claims.md: every claim with its verdict, topic by topic."""

from __future__ import annotations

from convsmith.views.claims import CLAIMS, TOPICS, Checked, check
from convsmith.views.claims.words import figures, summary, verdict

HEAD = """\
<!-- Made by `make docs` from the claims (convsmith.views.claims): change those, not this file. -->

# Claims, recomputed

Quantitative statements of the course notes, and of the papers that they quote or send the reader to, beside what we
compute from traces of the same networks and layers. `convsmith claims` prints them, `--json` for programs.

A claim **holds** if every figure is our number to the unit (where the source says only more or less, if it is). It is
**rounded** if some are so only within the digits printed: rounded to the last of them or, where it says so, cut after
it. Else it is **wrong**, and says why. Statements that only a training could test, of accuracy or speed, are left out.
MACs are counted by [our rule](counting.md); [differences.md](differences.md) has every figure of the papers that is not
ours. The notes have five parts: 1 is the lecture on architectures, 2 modern CNNs, 3 the practical use of convolutional
layers, 4 the summary with lightweight CNNs, 5 the slides from LeNet-5 to ResNet.
"""


def page() -> str:
    """All of it as Markdown; verdicts and numbers are computed here."""
    found = [check(claim) for claim in CLAIMS]
    parts = [HEAD, f"{summary(found)}.", ""]
    for topic in TOPICS:
        parts += [f"## {topic.replace('-', ' ').capitalize()}", ""]
        parts += [
            "| claim | where | printed | ours | computed by | verdict |",
            "| --- | --- | ---: | ---: | --- | --- |",
        ]
        parts += [*(_row(one) for one in found if one.claim.topic == topic), ""]
    return "\n".join(parts)


def _row(found: Checked) -> str:
    claim = found.claim
    said, ours = figures(found)
    why = f"**wrong**: {_plain(claim.why)}" if claim.why else verdict(found)
    cells = (
        f"`{claim.id}`: {_plain(claim.statement)}", _plain(f"{claim.source}, {claim.place}"), _plain(said),
        _plain(ours), f"`{claim.computation}`", why,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text in which nothing is markup."""
    return text.replace("*", r"\*").replace("|", r"\|").replace("<", "&lt;")


def main() -> None:
    """Print the file, for `make docs`."""
    print(page(), end="")


if __name__ == "__main__":
    main()
