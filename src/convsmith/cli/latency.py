"""`convsmith latency`: how long a network takes on this machine, measured or predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from convsmith.cli.guard import guarded
from convsmith.cli.words import complete_network

if TYPE_CHECKING:
    from pathlib import Path

    from convsmith.search.latency.model import LatencyModel
    from convsmith.search.timing import Latency
    from convsmith.spec.network import Network


@guarded
def command(
    networks: Annotated[
        list[str],
        typer.Argument(
            autocompletion=complete_network, help="Names (see `list`), descriptions (.json) or run folders."
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE[,threads=N][,batch=N]",
            help="eager (the default), compiled, onnxruntime or openvino; with --table, the table's.",
        ),
    ] = None,
    table: Annotated[
        str | None, typer.Option(metavar="FILE", help="Predict by a table of `profile-device` instead of measuring.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="With --table: predict and then measure.")] = False,
    side: Annotated[int | None, typer.Option(help="Another input size in pixels.")] = None,
    channels: Annotated[int | None, typer.Option(help="Another number of input channels.")] = None,
    classes: Annotated[int | None, typer.Option(help="Another number of classes.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, an object a network.")] = False,
) -> None:
    """Time networks on this machine: measured, or predicted from a table of what their layers take.

    Example: convsmith latency resnet18 mobilenet_v2 --target onnxruntime,threads=1
    """
    import json
    from pathlib import Path
    from typing import Any

    from convsmith.cli import say
    from convsmith.cli.words import network_of
    from convsmith.deploy.engines import latency, latency_as_in
    from convsmith.search.target import Target
    from convsmith.spec.errors import SpecError
    from convsmith.spec.trace import trace
    from convsmith.train.machine import cores
    from convsmith.zoo.asked import asked

    if verify and table is None:
        raise SpecError("--verify measures what --table predicts; say that too")
    model, found = None, Target.of(target or "eager").settled(cores())
    if table is not None:
        model = known(Path(table), target)
        found = model.table.target

    def measured(network: Network) -> Latency:
        if model is None:
            return latency(network, found)
        return latency_as_in(model.table, network, say.console().print)

    lines = []
    for name in networks:
        network = asked(network_of(name), classes=classes, channels=channels, side=side)
        line: dict[str, Any] = {"network": network.name, "target": str(found)}
        said = f"{network.name} at {network.side}: "
        if model is not None:
            guess = model.predict(trace(network))
            line |= {"predicted_ms": guess.ms, "measured_share": guess.measured, "error": guess.error}
            said += f"{guess.ms:.3g} ms predicted on {found}, {guess.measured:.0%} of it from layers of the table"
        if model is None or verify:
            seen = measured(network)
            line |= {"measured": seen.to_json()}
            said += f", {seen.ms:.3g} ms measured" if model is not None else f"{seen.ms:.3g} ms on {found}"
            said += f" ({seen.low_ms:.3g} to {seen.high_ms:.3g})"
        lines.append(line)
        if not json_:
            print(said)
    if model is not None and not json_:
        print(model.stated)
    if json_:
        print(json.dumps(lines, ensure_ascii=False))


def known(path: Path, target: str | None) -> LatencyModel:
    """The model of a table that is of this machine and, where one is named, of this target. Raises TableError."""
    from convsmith.deploy.engines import engine, here
    from convsmith.search.latency.model import LatencyModel
    from convsmith.search.latency.table import LatencyTable
    from convsmith.search.target import Target
    from convsmith.train.machine import cores

    table = LatencyTable.load(path)
    wanted = table.target if target is None else Target.of(target).settled(cores())
    table.check(here(), engine(wanted).version(), wanted)
    return LatencyModel(table)
