"""What a tracker is told, and what one must be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from convsmith.spec.errors import MissingExtra
from convsmith.spec.trace import trace
from convsmith.train.fields import said
from convsmith.train.run import Run
from convsmith.views.cost import cost

Setting = str | int | float | bool


@dataclass(frozen=True)
class About:
    """A run as trackers list it: its name, its folder, and what may be compared between runs, flat."""

    name: str
    folder: Path
    settings: dict[str, Setting]


def about(run: Run) -> About:
    """Of a run whose network is known. Recipe fields are called `recipe.lr` and so on."""
    network, told = run.network, run.about
    total = cost(trace(network))
    recipe = {f"recipe.{name}": _plain(value) for name, value in told["recipe"].items()}
    settings: dict[str, Setting] = {
        "network": network.name,
        "params": total.params,
        "macs": total.macs,
        "side": str(network.side),
        "data": told["data"]["name"],
        "classes": len(told["data"]["classes"]),
        "train_images": told["data"]["counts"]["train"],
        "seed": told["seed"],
    }
    folder = run.folder.absolute()
    return About(folder.name, folder, settings | recipe)


class Writer(ABC):
    """A run in one tracker. Any method may raise anything: `Tracked` bears it."""

    name: str
    """As on the command line; the extra is called the same."""
    module: str
    """What has to be importable."""

    @abstractmethod
    def begin(self, about: About, known: str | None) -> tuple[str, int]:
        """Open a new run, or go on with that of the id `known`. Returns the id and how many epochs it has already."""

    @abstractmethod
    def epoch(self, number: int, values: dict[str, float]) -> None:
        """What is logged of epoch 1, 2, ..."""

    @abstractmethod
    def tested(self, epochs: int, values: dict[str, float]) -> None:
        """The test result, after the last epoch."""

    @abstractmethod
    def end(self, complete: bool) -> None:
        """The training is complete, or was stopped and may go on later; all that was told is out when this returns."""

    @classmethod
    def imported(cls) -> Any:
        """The tracker's module. Raises MissingExtra, naming the extra."""
        try:
            return import_module(cls.module)
        except ImportError as error:
            raise MissingExtra(
                f"--track {cls.name} cannot import {cls.module} ({error}): pip install 'convsmith[{cls.name}]'"
            ) from None


def _plain(value: Any) -> Setting:
    return value if isinstance(value, str | int | float) else said(tuple(value) if isinstance(value, list) else value)
