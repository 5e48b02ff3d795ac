"""What a user can cause ends in one line on standard error and exit code 2; Ctrl-C in 130 and the way to go on."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from convsmith.spec.errors import ConvsmithError, MissingExtra

P = ParamSpec("P")

EXTRAS = {
    "torch": "train", "torchvision": "train", "numpy": "train", "PIL": "train", "safetensors": "train",
    "psutil": "train",
    "onnx": "export", "onnxruntime": "export", "onnxscript": "export",
    "optuna": "search", "sqlalchemy": "search",
    "fsspec": "shards",
    "altair": "report", "vl_convert": "report", "jinja2": "report",
}  # fmt: skip


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """The command with convsmith's refusals turned into exit codes."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ConvsmithError as error:
            _say(error)
            raise typer.Exit(2) from None
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            _say(MissingExtra(f"this needs {error.name}: pip install 'convsmith[{extra}]'"))
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            raise typer.Exit(130) from None

    return run


def _say(error: Exception) -> None:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
