"""`convsmith eject`: a network as one plain PyTorch file."""

from __future__ import annotations

from typing import Annotated

import typer

from convsmith.cli.guard import guarded
from convsmith.cli.words import complete_network


@guarded
def command(
    network: Annotated[
        str,
        typer.Argument(
            autocompletion=complete_network,
            help="A name (see `convsmith list`), a description (.json) or a run folder.",
        ),
    ],
    side: Annotated[str | None, typer.Option(help="Input size in pixels: 224, or 224x160 (rows x columns).")] = None,
    classes: Annotated[int | None, typer.Option(help="Another number of classes.")] = None,
    channels: Annotated[int | None, typer.Option(help="Another number of input channels.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="An option of the architecture: --set shortcut=C.")
    ] = None,
) -> None:
    """Print a network as one plain PyTorch file, which needs torch alone: yours to read, change and keep.

    It has the state-dict keys of the network that it comes from, and with its weights the same outputs.

    Example: convsmith eject resnet50 > resnet50.py
    """
    from convsmith.cli.words import network_of, settings, side_of
    from convsmith.nn.eject import eject

    found = network_of(network, classes, settings(set_ or []))
    print(eject(found, side=side_of(side), channels=channels), end="")
