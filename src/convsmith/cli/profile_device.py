"""`convsmith profile-device`: what the layers of a space take on this machine, as a table that predicts latencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli.guard import guarded

if TYPE_CHECKING:
    from rich.console import Console

    from convsmith.search.latency.verify import Verified
    from convsmith.search.spaces import Genome


@guarded
def command(
    spaces: Annotated[list[str], typer.Argument(help="Spaces whose networks are to be predicted; see `spaces`.")],
    out: Annotated[str, typer.Option(help="The table, a .json file; one that is there already is added to.")],
    target: Annotated[
        str, typer.Option(metavar="ENGINE[,threads=N][,batch=N]", help="What runs the networks: eager or onnxruntime.")
    ] = "eager",
    most: Annotated[str, typer.Option("--time", help="Begin no network after this: 90s, 8m.")] = "8m",
    side: Annotated[int | None, typer.Option(help="For images of this side.")] = None,
    channels: Annotated[int | None, typer.Option(help="For images of so many channels.")] = None,
    classes: Annotated[int | None, typer.Option(help="For so many classes.")] = None,
    verify: Annotated[
        int, typer.Option(min=0, max=1000, help="Then predict and measure so many networks of each space.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of which networks are measured.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Measure a table of latencies: networks of the spaces are run whole and looked into, layer by layer.

    Example: convsmith profile-device mnas --target onnxruntime --out latencies.json
    """
    import json
    from pathlib import Path

    from convsmith.cli import say
    from convsmith.cli.words import duration
    from convsmith.deploy.engines import dissect, engine, here, insight, latency_as_in
    from convsmith.search.latency.model import LatencyModel
    from convsmith.search.latency.table import LatencyTable
    from convsmith.search.latency.verify import unseen, verdict
    from convsmith.search.latency.verify import verify as verified
    from convsmith.search.spaces import space
    from convsmith.search.target import Target
    from convsmith.spec.signature import positive_size
    from convsmith.train.machine import cores

    screen, path, seconds = say.console(), Path(out).expanduser(), duration(most)
    given = {"side": side, "channels": channels, "classes": classes}
    images = {key: positive_size(key, value) for key, value in given.items() if value is not None}
    chosen = [space(name, **images) for name in spaces]
    found = Target.of(target).settled(cores())
    insight(found)
    table = LatencyTable(here(), engine(found).version(), found)
    if path.exists():
        table = LatencyTable.load(path)
        table.check(here(), engine(found).version(), found)
    else:
        table.save(path)  # a folder that cannot be written is known before, not after
    steps = _measured(table, path, chosen, lambda network: dissect(network, found), seconds, seed, screen)
    model = LatencyModel(table)
    report = {
        "table": str(path), "machine": dict(table.machine), "engine": table.engine, "target": str(found),
        "networks": len(table.networks), "units": len(table.units), "covered": steps, "error": model.error,
    }  # fmt: skip
    screen.print(
        f"{path}: {len(table.units):,} units out of {len(table.networks)} networks on {found}, "
        f"{steps:.1%} of the work in {', '.join(spaces)}; {model.stated}",
        markup=False,
    )
    if verify:
        members = [one for some in chosen for one in unseen(model, some, verify, seed + 1)]
        pairs = []

        def timed(member: Genome) -> float:
            return latency_as_in(table, member.network, screen.print).ms

        for pair in verified(model, members, timed):
            pairs.append(pair)
            screen.print(_line(pair), markup=False)
        seen = verdict(pairs)
        screen.print(
            f"{len(pairs)} networks that the table has not seen: {seen.close:.0%} within 10 %, rank correlation "
            f"{seen.rank:.3f}; by MACs {seen.macs_close:.0%} and {seen.macs_rank:.3f}",
            markup=False,
        )
        report["verified"] = {"networks": [pair._asdict() for pair in pairs], **seen._asdict()}
    if json_:
        print(json.dumps(report, ensure_ascii=False))


def _measured(table: Any, path: Any, spaces: Any, dissect: Any, seconds: float, seed: int, screen: Console) -> float:
    """Measure with a bar, and keep the table whatever happens. Returns the share of the spaces' work that was seen."""
    import time

    from rich.progress import Progress

    from convsmith.search.latency.profile import profile

    begun, covered = time.monotonic(), 0.0
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("choosing networks", total=seconds)
        try:
            for step in profile(table, spaces, dissect, seconds=seconds, seed=seed, say=bar.console.print):
                covered = step.covered
                words = f"{step.networks} networks, {covered:.1%} of the work seen"
                bar.update(task, description=words, completed=time.monotonic() - begun)
        finally:
            table.save(path)
    return covered


def _line(pair: Verified) -> str:
    return f"  {pair.name}: {pair.predicted_ms:.3g} ms predicted, {pair.measured_ms:.3g} measured ({pair.error:+.1%})"
