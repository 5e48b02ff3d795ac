"""A search as a folder: begun, and joined.

search.json   the store and the study's name, how many trials are wanted, what run.json says of a trial
study.db      the trials (unless the store is elsewhere)
trials/NNNN   a run folder a trial
worker-N.log  what the other processes said
supernet.safetensors  shared weights, where they are the filter
trials.json   all that is finished, the best first; found.json, the best one's description; report.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from convsmith.cli import inputs, say
from convsmith.data import Data
from convsmith.search import Budget
from convsmith.search.fidelity import full
from convsmith.search.searchers import Feasible
from convsmith.search.spaces import Genome, Space, space
from convsmith.search.study.halving import halving_of
from convsmith.search.study.plan import Plan, Proposer
from convsmith.search.study.study import Study
from convsmith.spec.errors import StudyError
from convsmith.spec.files import write_whole
from convsmith.train import Recipe, Run, default_folder

FORMAT, VERSION = "convsmith.search", 1
SUPERNET = "supernet"
LARGE = 96
"""From this side on images are searched in `mnas`, smaller ones in `cifar_mb`."""


class Asked(NamedTuple):
    """What the command line says of a search. `halving` is (eta, least, by); `latency` is (limit, table); `load` says
    how images are read; `supernet` is the folder of a search whose shared weights serve this one, too."""

    budget: Budget
    recipe: Recipe
    load: dict[str, Any]
    space: str | None = None
    searcher: str = "evolution"
    seed: int = 0
    baseline: bool = True
    halving: tuple[int, int | None, str] | None = None
    latency: tuple[str, str] | None = None
    filter: str | None = None
    of: int = 1
    supernet_epochs: int = 0
    soft: bool = False
    supernet: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data that `joined` reads, with paths that hold from everywhere."""
        own = self.space is not None and self.space.endswith(".toml")
        return {
            **self._asdict(),
            "budget": self.budget.to_json(),
            "recipe": self.recipe.to_json(),
            "space": str(Path(self.space or "").resolve()) if own else self.space,
            "latency": self.latency and [self.latency[0], str(Path(self.latency[1]).resolve())],
            "supernet": self.supernet and str(Path(self.supernet).resolve()),
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Asked:
        """Inverse of `to_json`."""
        pairs = {name: data[name] and tuple(data[name]) for name in ("halving", "latency")}
        own = {"budget": Budget.from_json(data["budget"]), "recipe": Recipe.from_json(data["recipe"])}
        return Asked(**(data | pairs | own))


class Session(NamedTuple):
    """A search that this process works on; `record` is what run.json says of a trial.

    `measure` tells the milliseconds of a member where the budget limits them, and `plan` only predicts them.
    """

    folder: Path
    study: Study
    plan: Plan
    data: Data
    recipe: Recipe
    trials: int
    record: dict[str, Any]
    measure: Callable[[Genome], float] | None = None


def begun(source: str, asked: Asked, folder: Path | None, store: str | None, name: str | None, trials: int) -> Session:
    """A new search in a folder. Everything is refused before anything is written."""
    if folder is not None:
        Run.check_free(folder)
    data = inputs.load_data(source, say.console(), **asked.load)
    asked = asked._replace(recipe=asked.recipe.settled(len(data.train), data.flip))
    folder = folder or default_folder(f"search-{data.name}")
    plan = _plan(asked, data, folder)
    plan.feasible.any()  # refuses a budget that nothing meets
    Proposer(replace(plan, score=None))(0, [])  # and a searcher that is not there
    place, name = store or str(folder / "study.db"), name or folder.name
    record = inputs.about("train", data, asked.recipe, source=source, seed=asked.seed, load_options=asked.load)
    about = {**plan.to_json(), "data": record["data"], "asked": asked.to_json()}
    folder.mkdir(parents=True, exist_ok=True)
    try:
        study = Study.create(place, name, json.loads(json.dumps(about)))
    except StudyError:
        if not any(folder.iterdir()):
            folder.rmdir()
        raise
    head = {"format": FORMAT, "version": VERSION, "store": place if store else "study.db", "study": name}
    write_json(folder / "search.json", head | {"trials": trials, "record": record})
    return Session(folder, study, plan, data, asked.recipe, trials, record, _measure(asked))


def opened(folder: Path) -> tuple[dict[str, Any], Study]:
    """What search.json says, and the study of a search that was begun. Raises StudyError."""
    try:
        head: dict[str, Any] = json.loads((folder / "search.json").read_text())
    except (OSError, ValueError):
        raise StudyError(f"{folder} is no search: it has no search.json that can be read") from None
    if (head.get("format"), head.get("version")) != (FORMAT, VERSION):
        raise StudyError(f"{folder} was written by another version ({head.get('format')} {head.get('version')})")
    place = head["store"] if "://" in head["store"] else str(folder / head["store"])
    return head, Study.open(place, head["study"])


def joined(folder: Path, trials: int | None) -> Session:
    """A search that was begun, from its folder alone; `trials` asks for more of them. Raises StudyError, DataError."""
    head, study = opened(folder)
    about, asked = study.about["data"], Asked.from_json(study.about["asked"])
    data = inputs.load_data(about["source"], say.console(), **about["load"], classes=tuple(about["classes"]))
    if data.fingerprint != about["fingerprint"]:
        raise StudyError(f"{about['source']} has changed since {folder} was begun: its images, labels or splits differ")
    plan = _plan(asked, data, folder)
    if plan.space.sha256 != study.about["space"]["sha256"]:
        raise StudyError(
            f"the space {plan.space.name} has changed since {folder} was begun: its choices are others; begin anew"
        )
    return Session(folder, study, plan, data, asked.recipe, trials or head["trials"], head["record"], _measure(asked))


def scorer(name: str, data: Data, seed: int) -> Callable[[Genome], float]:
    """A proxy of members, by some training images."""
    from convsmith.search.proxies import proxy, score

    found, batches = proxy(name), dict[int, tuple[Any, Any]]()

    def scored(genome: Genome) -> float:
        network = genome.network
        side = network.side
        assert isinstance(side, int)  # spaces are of square images
        if side not in batches:
            batches[side] = _batch(data, side)
        images, labels = batches[side]
        return score(network, found, images, labels, seed)

    return scored


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file whole."""
    write_whole(path, (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())


def _plan(asked: Asked, data: Data, folder: Path) -> Plan:
    assert asked.recipe.epochs is not None, "the recipe is settled"
    budget, latency = timed(asked)
    some = space_of(asked, data)
    halving = None if asked.halving is None else halving_of(*asked.halving, full(data, asked.recipe.epochs))
    score = None
    if asked.filter == SUPERNET:
        from convsmith.cli.shared_weights import by_supernet

        score = by_supernet(folder, asked, Feasible(some, budget, latency), data)
    elif asked.filter is not None:
        score = scorer(asked.filter, data, asked.seed)
    return Plan(
        some, budget, asked.recipe.epochs, asked.searcher, asked.seed, asked.baseline, halving,
        latency, asked.filter, asked.of, score, asked.soft,
    )  # fmt: skip


def timed(asked: Asked) -> tuple[Budget, Callable[[Genome], float] | None]:
    """The budget with its limit of latency, and what a table predicts."""
    if asked.latency is None:
        return asked.budget, None
    from convsmith.cli.latency import known
    from convsmith.cli.words import milliseconds

    model = known(Path(asked.latency[1]), None)

    def latency(genome: Genome) -> float:
        return model.predict(genome.graph).ms

    return replace(asked.budget, latency_ms=milliseconds(asked.latency[0]), target=model.table.target), latency


def _measure(asked: Asked) -> Callable[[Genome], float] | None:
    """How the latency of a member is measured, on the target of the table that predicts."""
    if asked.latency is None:
        return None
    from convsmith.cli.latency import known
    from convsmith.deploy.engines import latency_as_in

    table = known(Path(asked.latency[1]), None).table
    return lambda genome: latency_as_in(table, genome.network, say.console().print).ms


def space_of(asked: Asked, data: Data) -> Space:
    """The space that is searched, for these images."""
    name = asked.space or ("mnas" if data.side >= LARGE else "cifar_mb")
    return space(name, side=data.side, channels=data.channels, classes=len(data.classes))


def _batch(data: Data, side: int) -> tuple[Any, Any]:
    """Training images as networks of this side take them, with their labels: every so many-th."""
    from convsmith.search.proxies import BATCH

    small = data.resized(side)
    rows = list(range(0, len(small.train), max(1, len(small.train) // BATCH)))[:BATCH]
    return small.preprocess.normalise(small.train.images[rows]), small.train.labels[rows]
