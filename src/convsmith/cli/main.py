"""`convsmith VERB`: one thin file a verb, and only the verb that was asked for is imported."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import typer

VERBS = (
    "list", "show", "draw", "chart", "compare", "diff", "claims", "eject",
    "doctor", "pack", "recipes", "find-lr", "spaces", "profile-device", "latency", "fit", "search", "scale",
    "train", "resume", "evaluate", "predict", "look", "report",
)  # fmt: skip

EPILOG = "Start with: convsmith fit digits --max-params 100k --max-macs 4M"


def application(verbs: tuple[str, ...] = VERBS, *, rich: bool = False) -> typer.Typer:
    """The application with these verbs."""
    app = typer.Typer(
        name="convsmith",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich" if rich else None,
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(convsmith)
    for verb in verbs:
        command = import_module(f"convsmith.cli.{verb.replace('-', '_')}").command
        app.command(verb, no_args_is_help=verb not in ("list", "claims", "recipes", "spaces"))(command)
    return app


def convsmith(
    version: bool = typer.Option(False, "--version", help="Print the version and leave.", is_eager=True),
) -> None:
    """Describe, cost, train, search and ship convolutional image classifiers."""
    if version:
        from convsmith import __version__

        print(f"convsmith {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point. Importing every verb is left to --help, completion and mistyped verbs."""
    words = sys.argv[1:]
    verb = next((word for word in words if not word.startswith("-")), None)
    alone = verb in VERBS and not any(name.endswith("_COMPLETE") for name in os.environ)
    asks = not words or "--help" in words or "-h" in words
    app = application((verb,) if alone and verb else VERBS, rich=asks)
    try:
        app(prog_name="convsmith")
    except BrokenPipeError:  # the reader of a pipe has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
