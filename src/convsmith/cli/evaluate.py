"""`convsmith evaluate`: trained runs on their own test split, or on other images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli import options
from convsmith.cli.guard import guarded

if TYPE_CHECKING:
    from pathlib import Path

    from convsmith.cli.judged import Member, Question
    from convsmith.train.comparison import Comparison

SPLITS = (None, "train", "val", "test", "all")


@guarded
def command(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run folders: one, or several of one class map.")],
    data: Annotated[str | None, typer.Option(help="Other images: a set's name, a folder, .zip, .tar or .csv.")] = None,
    split: Annotated[
        str | None, typer.Option(help="train, val, test or all; by default test, of a source without one all.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="What of a picture is shown: centre, ten-crop, multi-crop or dense.")
    ] = "centre",
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Also the runs as one: the mean of their probabilities.")
    ] = False,
    bootstrap: Annotated[int, typer.Option(metavar="N", min=1, help="Resamples behind each 95 % interval.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE.html", help="Write the evaluation as a page with charts.")
    ] = None,
    skip_unreadable: options.SkipUnreadable = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Measure trained networks: top-1 with its interval, top-5, loss, calibration, per-class precision and recall.

    Several runs are compared on the same images, each with the first by McNemar's test; --ensemble joins them. The
    runs' class map is enforced.

    Example: convsmith evaluate runs/digits --split val

    Example: convsmith evaluate runs/a runs/b runs/c --ensemble --protocol ten-crop -o evaluation.html
    """
    import json

    from convsmith.cli import judged, say
    from convsmith.spec.errors import DataError
    from convsmith.train.comparison import comparison
    from convsmith.train.protocols import protocol_named

    if split not in SPLITS:
        raise DataError(f"no split is called {split!r}; say train, val, test or all")
    protocol_named(protocol)
    page = None if out is None else page_at(out)
    screen, question = say.console(quiet=json_), judged.Question(data, split, protocol, skip_unreadable)
    members = judged.members_of(runs)
    if ensemble and len(members) < 2:
        raise DataError(f"an ensemble needs two runs or more, got {runs[0]} alone; name the others too")
    asked, answers = judged.ask(members, question, screen)
    how: dict[str, Any] = {"with_ensemble": ensemble, "resamples": bootstrap, "seed": seed}
    found = comparison(answers, asked, protocol=protocol, **how)
    record = {"split": asked.split, "protocol": protocol, "n": len(asked.labels), **found.to_json()}
    if page is not None:
        _write(page, record, members, question)
        screen.print(f"report {page}", markup=False)
    if json_:
        print(json.dumps(found.rows[0].found.to_json() if len(members) == 1 else record, ensure_ascii=False))
    else:
        _print(found, asked.split)


def _print(found: Comparison, title: str) -> None:
    from convsmith.cli import judged_text

    if len(found.rows) == 1:
        print("\n".join(judged_text.one(found.rows[0].found, title)))
    else:
        print("\n".join(judged_text.several(found, title)))


def page_at(out: str) -> Path:
    """Where the page goes; refused before anything is computed if it cannot be written there."""
    from pathlib import Path

    from convsmith.report.extras import need
    from convsmith.spec.errors import RunError, UnknownName

    path = Path(out)
    if path.suffix.lower() != ".html":
        raise UnknownName(f"{out}: the name must end in .html")
    for library in ("jinja2", "altair", "vl_convert"):
        need(library)
    if not path.absolute().parent.is_dir():
        raise RunError(f"cannot write {out}: there is no folder {path.parent}; make it first or choose another --out")
    return path


def _write(page: Path, record: dict[str, Any], members: list[Member], question: Question) -> None:
    from convsmith.report.evaluation import write_evaluation
    from convsmith.train import command_line, environment

    rows = [row | {"about": member.about()} for row, member in zip(record["runs"], members, strict=True)]
    source = question.data or members[0].run.about["data"]["name"]
    made = {"data": source, "command": command_line(), "environment": environment()}
    write_evaluation(page, record | made | {"runs": rows})
