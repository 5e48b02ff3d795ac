"""The controller's policy: a recurrent network that chooses one option after the other (Zoph & Le 2017; MnasNet)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from convsmith.search.spaces.space import Genome, Space

HIDDEN = 32
"""Units of the LSTM. The paper's controllers have 100, for ten thousand trials."""


class Policy(nn.Module):
    """p(genome) as a product over its choices, each given those before it. Choices that are not there are passed over.

    A choice has a linear layer of its own to its options, and each option a vector that the LSTM reads next.
    """

    def __init__(self, space: Space, seed: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.space = space
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.begin = nn.Parameter(torch.zeros(hidden))
            self.cell = nn.LSTMCell(hidden, hidden)
            sizes = [len(choice.options) for choice in space.choices]
            self.heads = nn.ModuleList([nn.Linear(hidden, size) for size in sizes])
            self.options = nn.ModuleList([nn.Embedding(size, hidden) for size in sizes])
        for head in self.heads:  # all options are as likely at first
            nn.init.zeros_(head.weight)  # type: ignore[arg-type]
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> Genome:
        """A member by chance."""
        at = [0] * len(self.space.choices)
        state = self._start(1)
        for i in range(len(at)):
            if not self.space.there(at)[i]:
                continue
            logits = self.heads[i](state[0])
            at[i] = int(torch.multinomial(logits.softmax(1), 1, generator=generator))
            state = self.cell(self.options[i](torch.tensor([at[i]])), state)
        return Genome(self.space, tuple(at))

    def forward(self, genomes: Sequence[Genome]) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of each member's choices, (N,) both."""
        at = torch.tensor([genome.at for genome in genomes])
        there = torch.tensor([self.space.there(genome.at) for genome in genomes])
        hidden, memory = self._start(len(genomes))
        chance, entropy = torch.zeros(len(genomes)), torch.zeros(len(genomes))
        for i in range(at.shape[1]):
            here = there[:, i]
            if not here.any():
                continue
            log = self.heads[i](hidden).log_softmax(1)
            chance = chance + torch.where(here, log.gather(1, at[:, i : i + 1])[:, 0], 0.0)
            entropy = entropy - torch.where(here, (log.exp() * log).sum(1), 0.0)
            after = self.cell(self.options[i](at[:, i]), (hidden, memory))
            hidden, memory = torch.where(here[:, None], torch.stack(after), torch.stack((hidden, memory)))
        return chance, entropy

    def _start(self, count: int) -> tuple[Tensor, Tensor]:
        zeros = torch.zeros(count, self.begin.numel())
        return self.cell(self.begin.expand(count, -1), (zeros, zeros))  # type: ignore[no-any-return]
