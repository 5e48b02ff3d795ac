"""What a search is about, and who is asked for the next member."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from convsmith.search.budget import LIMITS, Budget
from convsmith.search.costs import costs
from convsmith.search.fidelity import EPOCHS
from convsmith.search.searchers import Feasible, Searcher, Trial, searcher
from convsmith.search.searchers.feasible import Latency
from convsmith.search.searchers.filtered import Filtered
from convsmith.search.searchers.reward import Reward
from convsmith.search.spaces import Genome, Space
from convsmith.search.study.halving import Halving
from convsmith.search.study.study import Entry
from convsmith.spec.errors import StudyError

BASELINE, PPO = "random", "ppo"


@dataclass(frozen=True)
class Plan:
    """A search of `space` within `budget`; each member is trained for `epochs`.

    searcher  its name
    baseline  every other trial is drawn by chance: a search of its own, at equal cost, that the searcher learns nothing
              from
    halving   begins with less, fewer epochs say, and goes on with the better ones
    latency   tells milliseconds where the budget limits them
    soft      the controller's reward is accuracy × (cost / limit)^-0.07 and not accuracy alone (MnasNet's equation 2)
    filter    a proxy's name: of `of` proposals the one that `score` says most for is tried
    """

    space: Space
    budget: Budget
    epochs: int
    searcher: str = "evolution"
    seed: int = 0
    baseline: bool = True
    halving: Halving | None = None
    latency: Latency | None = None
    filter: str | None = None
    of: int = 1
    score: Callable[[Genome], float] | None = None
    soft: bool = False

    def __post_init__(self) -> None:
        if self.soft and self.searcher != PPO:
            raise StudyError(f"a soft reward is for the controller: --searcher {PPO}, got {self.searcher}")
        if self.soft and self.target is None:
            raise StudyError(
                "a soft reward is for what costs less than the budget allows: give a limit, --max-macs say"
            )

    def to_json(self) -> dict[str, Any]:
        """What must be the same for all who work on it."""
        return {
            "space": {"name": self.space.name, "images": dict(self.space.images), "sha256": self.space.sha256},
            "budget": self.budget.to_json(),
            "epochs": self.epochs,
            "searcher": self.searcher,
            "seed": self.seed,
            "baseline": self.baseline,
            "halving": None if self.halving is None else self.halving._asdict(),
            "filter": self.filter,
            "of": self.of,
            "soft": self.soft,
        }

    @property
    def by(self) -> str:
        """What trainings can differ in: `search.fidelity.FIDELITIES`."""
        return EPOCHS if self.halving is None else self.halving.by

    @property
    def most(self) -> int:
        """What a full training has of it."""
        return self.epochs if self.halving is None else self.halving.most

    def lane(self, number: int) -> str:
        """The searcher that a trial is asked of."""
        return BASELINE if self.baseline and number % 2 else self.searcher

    @cached_property
    def feasible(self) -> Feasible:
        """The members within the budget."""
        return Feasible(self.space, self.budget, self.latency)

    @property
    def cost_words(self) -> str:
        """What `cost` is, with its unit."""
        if self.latency is not None:
            return f"milliseconds on {self.budget.target}, predicted"
        limit = LIMITS[self._costly]
        return f"bytes {limit.words}" if limit.unit == "B" else f"{limit.words} of one image"

    @property
    def _costly(self) -> str:
        return next((name for name in LIMITS if name in self.budget.limits), "macs")

    @property
    def target(self) -> float | None:
        """The limit of what `cost` tells."""
        return self.budget.latency_ms if self.latency is not None else self.budget.limits.get(self._costly)

    def cost(self, genome: Genome) -> float:
        """What the budget limits: the latency, else the first limit; MACs without a limit."""
        if self.latency is not None:
            return self.feasible.milliseconds(genome)
        return float(getattr(costs(self.space, self.space.rows([genome])), self._costly)[0])

    def genome(self, entry: Entry) -> Genome:
        """The member of a trial."""
        return self.space.genome(entry.member["choices"])

    def trials(self, entries: Sequence[Entry], lane: str) -> list[Trial]:
        """The finished trials of a lane, by number; of a member that was trained again, the fullest training."""
        longest: dict[Genome, Entry] = {}
        for entry in self.of_lane(entries, lane):
            if entry.outcome is not None:
                genome = self.genome(entry)
                if genome not in longest or entry.member[self.by] > longest[genome].member[self.by]:
                    longest[genome] = entry
        found = [
            Trial(entry.number, genome, entry.outcome["accuracy"], self.cost(genome))
            for genome, entry in longest.items()
            if entry.outcome is not None
        ]
        return sorted(found, key=lambda trial: trial.number)

    def of_lane(self, entries: Sequence[Entry], lane: str) -> list[Entry]:
        """The trials of one searcher."""
        return [entry for entry in entries if self.lane(entry.number) == lane]


class Proposer:
    """Asks a plan's searchers. What it says depends on the plan and the trials that it is shown, so every worker's says
    the same."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._searchers: dict[str, tuple[Searcher, list[Trial]]] = {}

    def __call__(self, number: int, entries: Sequence[Entry]) -> dict[str, Any]:
        """The member of a trial: `choices`, the `epochs` that it is trained for, and what else it has less of."""
        plan, lane = self.plan, self.plan.lane(number)
        fidelity = {EPOCHS: plan.epochs}
        if plan.halving is not None:
            rungs, better = plan.halving.rungs, plan.halving.promoted(plan.of_lane(entries, lane))
            if better is not None:
                return better.member | {plan.by: rungs[rungs.index(better.member[plan.by]) + 1]}
            fidelity[plan.by] = rungs[0]
        found = self._told(lane, plan.trials(entries, lane))
        found.taken(plan.genome(entry) for entry in entries)
        return {"choices": found.ask(number).settings, **fidelity}

    def _new(self, lane: str) -> Searcher:
        plan = self.plan
        rewarded = {"reward": Reward(plan.target)} if plan.soft and lane == PPO else {}
        found = searcher(lane, plan.feasible, plan.seed, **rewarded)
        if plan.score is None or (plan.baseline and lane == BASELINE):
            return found
        return Filtered(found, plan.score, plan.of)

    def _told(self, lane: str, trials: list[Trial]) -> Searcher:
        """The lane's searcher, told these trials in this order: the one at hand, if it was told their beginning."""
        found, told = self._searchers.get(lane, (None, []))
        if found is None or told != trials[: len(told)]:
            found, told = self._new(lane), []
        for trial in trials[len(told) :]:
            found.tell(trial)
        self._searchers[lane] = found, trials
        return found
