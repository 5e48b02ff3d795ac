"""Sums over the steps of an epoch, kept on the device, so that no step waits for a number to reach the CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from convsmith.train.position import Position
from convsmith.train.runtime import Runtime


class Tally:
    """This process's sums of loss, right answers and images (`seen`), and the first loss that was no number."""

    def __init__(self, at: Position, device: torch.device, runtime: Runtime) -> None:
        self.runtime = runtime
        before = [at.loss_sum, at.correct, at.seen] if runtime.main else [0.0, 0.0, 0.0]
        self.seen = before[2]
        self.sums = torch.tensor(before, dtype=torch.float64, device=device)
        self.fault = torch.zeros((), device=device)  # 0: no fault; else the loss that was no number
        self.fault_step = torch.full((), -1, device=device)

    def add(self, loss: Tensor, right: Tensor, images: int) -> None:
        """Take in a step of `images` images: their mean loss, and how many were right. Keeps nothing of its graph."""
        self.seen += images
        self.sums += torch.stack([loss.detach().double() * images, right.double(), right.new_full((), images).double()])

    def watch(self, loss: Tensor, step: int) -> None:
        """Remember this loss if it is the first that is no number."""
        new = ~torch.isfinite(loss) & (self.fault_step < 0)
        self.fault = torch.where(new, loss.detach(), self.fault)
        self.fault_step = torch.where(new, step, self.fault_step)

    @property
    def faulty(self) -> bool:
        """Whether a loss was no number; waits for the device."""
        return bool(self.fault_step >= 0)

    def means(self) -> tuple[float, float]:
        """Loss and top-1 so far, of this process; waits for the device."""
        loss, right, images = self.sums.tolist()
        return (loss / images, right / images) if images else (0.0, 0.0)

    def into(self, at: Position) -> None:
        """Write the sums over all processes, which all have to ask."""
        at.loss_sum, at.correct, at.seen = self.runtime.sum(self.sums.clone()).tolist()
