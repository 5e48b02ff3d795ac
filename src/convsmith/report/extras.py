"""The optional libraries of this room, imported where they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from convsmith.spec.errors import MissingExtra
from convsmith.views.printable import printable

HINT = "writing reports needs Altair and Jinja: pip install 'convsmith[report]'"


def need(name: str) -> Any:
    """The module of this name. Raises MissingExtra with the pip command if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtra(HINT) from None


def all_printable(value: Any) -> Any:
    """Plain data with every text `printable`: at control characters vl-convert ends the whole process."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [all_printable(item) for item in value]
    return {name: all_printable(item) for name, item in value.items()} if isinstance(value, dict) else value
