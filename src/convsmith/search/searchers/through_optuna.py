"""Optuna's samplers as searchers: TPE, and NSGA-II for accuracy and cost at once."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from convsmith.search.searchers.feasible import Feasible
from convsmith.search.searchers.searcher import Searcher, Trial
from convsmith.search.spaces.space import Genome
from convsmith.spec.errors import MissingExtra

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial as Asked


class ThroughOptuna(Searcher):
    """A sampler of Optuna, which is told feasible trials alone: what it proposes over budget is never run, and tells it
    nothing. A choice is one of its categorical parameters, by the option's index; those that are not there are not
    suggested. Raises MissingExtra."""

    directions: ClassVar[tuple[str, ...]] = ("maximize",)

    def __init__(self, feasible: Feasible, seed: int = 0) -> None:
        super().__init__(feasible, seed)
        optuna = _optuna()
        self._optuna = optuna
        self._study: Any = None
        self._counts = {choice.name: len(choice.options) for choice in feasible.space.choices}
        self._distributions = {
            name: optuna.distributions.CategoricalDistribution(tuple(range(count)))
            for name, count in self._counts.items()
        }

    def begin(self) -> None:
        """What a sampler suggests depends on what it suggested before."""
        self._study = None

    def propose(self, random: np.random.Generator) -> Genome:
        """What the sampler suggests, told all trials."""
        if self._study is None:
            self._study = self._optuna.create_study(directions=list(self.directions), sampler=self.sampler(random))
            self._study.add_trials([self._told(trial) for trial in self.trials])
        return self._suggested(self._study.ask())

    @abstractmethod
    def sampler(self, random: np.random.Generator) -> BaseSampler:
        """Optuna's."""

    def values(self, trial: Trial) -> list[float]:
        """What is told of a trial, one value a direction."""
        return [trial.accuracy]

    def _suggested(self, asked: Asked) -> Genome:
        space = self.feasible.space
        at = [0] * len(space.choices)
        for i, choice in enumerate(space.choices):
            if space.there(at)[i]:
                at[i] = int(asked.suggest_categorical(choice.name, tuple(range(len(choice.options)))))
        return Genome(space, tuple(at))

    def _told(self, trial: Trial) -> Any:
        space = self.feasible.space
        there = space.there(trial.genome.at)
        params = {c.name: at for c, at, here in zip(space.choices, trial.genome.at, there, strict=True) if here}
        about = {name: self._distributions[name] for name in params}
        return self._optuna.trial.create_trial(params=params, distributions=about, values=self.values(trial))


class Tpe(ThroughOptuna):
    """Tree-structured Parzen estimator (Bergstra et al. 2011), over the choices together."""

    name: ClassVar[str] = "tpe"

    def sampler(self, random: np.random.Generator) -> BaseSampler:
        """TPE's; the first 16 are drawn by chance."""
        seed = int(random.integers(2**31))
        return self._optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=16)  # type: ignore[no-any-return]


class Nsga2(ThroughOptuna):
    """NSGA-II (Deb et al. 2002): more accuracy, less cost; what it leaves is a front."""

    name: ClassVar[str] = "nsga2"
    directions: ClassVar[tuple[str, ...]] = ("maximize", "minimize")

    def sampler(self, random: np.random.Generator) -> BaseSampler:
        """With generations of 16."""
        return self._optuna.samplers.NSGAIISampler(seed=int(random.integers(2**31)), population_size=16)  # type: ignore[no-any-return]

    def values(self, trial: Trial) -> list[float]:
        """Accuracy and cost."""
        return [trial.accuracy, trial.cost]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise MissingExtra("the searchers tpe and nsga2 need Optuna: pip install 'convsmith[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
