"""The optional libraries of this room, imported where they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from convsmith.spec.errors import MissingExtra

HINT = "writing reports needs Altair and Jinja: pip install 'convsmith[report]'"


def need(name: str) -> Any:
    """The module of this name. Raises MissingExtra with the pip command if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtra(HINT) from None


def printable(value: Any) -> Any:
    """With a question mark for control characters and their like, at which vl-convert ends the whole process."""
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else "?" for letter in value)
    if isinstance(value, list):
        return [printable(item) for item in value]
    return {name: printable(item) for name, item in value.items()} if isinstance(value, dict) else value
