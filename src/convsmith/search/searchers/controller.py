"""The controller of MnasNet: a policy over the choices, improved by PPO (Schulman et al. 2017)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from convsmith.search.searchers.feasible import Feasible
from convsmith.search.searchers.policy import Policy
from convsmith.search.searchers.reward import ACCURACY, Reward
from convsmith.search.searchers.searcher import Searcher, Trial
from convsmith.search.spaces.space import Genome

BATCH, EPOCHS, CLIP = 8, 8, 0.2
"""Trials of an update, its steps, and by how much a probability may change in it (PPO's epsilon)."""
RATE, ENTROPY, DECAY = 0.02, 0.003, 0.9
"""Adam's learning rate, the worth of an undecided policy, and how long the baseline remembers, per trial."""


class Controller(Searcher):
    """PPO on reward(accuracy, cost). The baseline is a moving mean of rewards, and advantages are scaled by their
    spread."""

    name: ClassVar[str] = "ppo"

    def __init__(self, feasible: Feasible, seed: int = 0, *, reward: Reward = ACCURACY) -> None:
        super().__init__(feasible, seed)
        self.reward = reward
        self.policy = Policy(feasible.space, seed)
        self.optimiser = torch.optim.Adam(self.policy.parameters(), lr=RATE)
        self.baseline: float | None = None
        self._batch: list[tuple[Genome, float]] = []

    def propose(self, random: np.random.Generator) -> Genome:
        """A member as likely as the policy has it."""
        return self.policy.draw(torch.Generator().manual_seed(int(random.integers(2**62))))

    def learn(self, trial: Trial) -> None:
        """Improve the policy when a batch is full."""
        reward = self.reward.of(trial.accuracy, trial.cost)
        self._batch.append((trial.genome, reward))
        if len(self._batch) == BATCH:
            self._improve([genome for genome, _ in self._batch], np.array([reward for _, reward in self._batch]))
            self._batch.clear()

    def _improve(self, genomes: list[Genome], rewards: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
        if self.baseline is None:
            self.baseline = float(rewards.mean())
        above = rewards - self.baseline
        for reward in rewards:
            self.baseline = DECAY * self.baseline + (1 - DECAY) * float(reward)
        advantage = torch.tensor(above / (rewards.std() + 1e-6), dtype=torch.float32)
        with torch.no_grad():
            before, _ = self.policy(genomes)
        for _ in range(EPOCHS):
            chance, entropy = self.policy(genomes)
            ratio = (chance - before).exp()
            gain = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
            loss = -(gain + ENTROPY * entropy).mean()
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
