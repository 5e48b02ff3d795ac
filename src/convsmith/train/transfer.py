"""Which parts of a network learn, from which epoch on, and how fast: transfer learning as the recipe's fields say it.

trains     "head": the body stays as it is; "last:2": the head and the two stages before it learn; "all"
gradual    so many epochs after the head, the stage before it begins to learn, and so on towards the image: Howard &
           Ruder 2018, "Universal language model fine-tuning for text classification" (arXiv:1801.06146), section 3.3
lr_decay   the rate of a stage is that of the one behind it times this: their "discriminative fine-tuning", section 3.2,
           where it is 1 / 2.6

The stages are those of `convsmith.views.stages`. What does not learn is in evaluation mode, so that neither statistics
of its normalisations move nor its dropout acts, and gets no gradient, so that no decay and no momentum moves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convsmith.nn import Net
from convsmith.spec.errors import TrainingError
from convsmith.spec.trace import Graph
from convsmith.train.recipe import Recipe
from convsmith.views.stages import Stage, stages


@dataclass(frozen=True)
class Part:
    """A stage in a training: the epoch, from 0, with which it begins to learn (None: never), its share of the rate."""

    stage: Stage
    thaws: int | None
    rate: float


def parts(graph: Graph, recipe: Recipe) -> tuple[Part, ...]:
    """A part a stage, from the image to the head. Raises TrainingError where `trains` asks for more stages than are."""
    found = stages(graph)
    learning = _learning(recipe.trains, found, graph.name)
    backwards = [
        Part(stage, back * recipe.gradual if back < learning else None, recipe.lr_decay**back)
        for back, stage in enumerate(reversed(found))
    ]
    return tuple(backwards[::-1])


def _learning(trains: str, found: Sequence[Stage], name: str) -> int:
    """How many stages learn, counted from the back, the head included."""
    if trains in ("all", "head"):
        return 1 if trains == "head" else len(found)
    count = int(trains.removeprefix("last:"))
    if count >= len(found):
        names = ", ".join(stage.name for stage in found[:-1]) or "none"
        raise TrainingError(
            f"{name} has {len(found) - 1} stages before its head ({names}), so the last {count} cannot be unfrozen; "
            "say --set trains=all"
        )
    return count + 1


class Freezer:
    """Freezes and thaws the stages of a network in place, epoch by epoch."""

    def __init__(self, net: Net, recipe: Recipe) -> None:
        self.net = net
        self.parts = parts(net.graph, recipe)
        self.rates = {name: part.rate for part in self.parts for name in _weights(net, part.stage)}
        self.body = {name for part in self.parts[:-1] for name in _weights(net, part.stage)}
        for part in self.parts:
            if part.thaws is None:
                self._learns(part, False)

    def begin(self, epoch: int) -> None:
        """To be called at the start of an epoch, from 0, when the network has been put into training mode."""
        for part in self.parts:
            if part.thaws != 0:
                self._learns(part, part.thaws is not None and epoch >= part.thaws)

    def end(self) -> None:
        """All may learn again."""
        for part in self.parts:
            if part.thaws != 0:
                self._learns(part, True)

    def _learns(self, part: Part, learns: bool) -> None:
        weights = dict(self.net.named_parameters())
        for name in _weights(self.net, part.stage):
            weights[name].requires_grad_(learns)
        if not learns:
            modules = dict(self.net.named_modules())
            for row in part.stage.rows:
                if (module := modules.get(self.net.graph.rows[row].path)) is not None:
                    module.eval()


def _weights(net: Net, stage: Stage) -> list[str]:
    """Names of the parameters in a stage."""
    known = {name for name, _ in net.named_parameters()}
    rows = [net.graph.rows[i] for i in stage.rows]
    return [key for row in rows for weight in row.facts.weights if (key := weight.key(row.path)) in known]
