"""Which `Execution` is fastest here and now: found by a short measurement on copies of the network."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.nn import Net
from convsmith.train import machine
from convsmith.train.execution import Execution

LEAST = 8
"""Images a step at least: with fewer, weights count for more than they do in training."""
SECONDS = 0.3
"""How long each way is measured, after a first step that does not count; two steps at least."""
LONG = 600.0
"""Seconds of a planned training from which on compiled kernels are tried: they cost some twenty to make."""


@dataclass(frozen=True)
class Trial:
    """One way to compute and what it did: images a second, and the seconds of its first step, compilation included."""

    execution: Execution
    rate: float
    first: float


@dataclass(frozen=True)
class Choice:
    """The fastest way, what was tried on batches of `images`, and the machine's load meanwhile."""

    execution: Execution
    trials: tuple[Trial, ...]
    images: int
    load: machine.Load

    def __str__(self) -> str:
        seen = "; ".join(f"{t.execution} {t.rate:.3g} images/s" for t in self.trials)
        return f"{self.execution} (measured on {self.images} images a step: {seen}; {self.load})"


def choose(
    net: Net, batch: int, side: int | None = None, *, device: str = "cpu", precision: str | None = None,
    threads: int = 0, checkpointing: bool = False, steps: int | None = None,
) -> Choice:  # fmt: skip
    """Try the ways to train `net` on this device and take the fastest. `net` and torch's random state stay as they are.

    batch, side    of the training; large batches are measured on fewer images, so that a step takes about SECONDS
    precision      as asked: nothing else is tried. Left out, bfloat16 is tried where the processor has it
    threads        as asked; 0: all that torch has, or one where a busy neighbour makes several slower than one
    steps          planned: compiled kernels are tried in a training of ten minutes and more, and taken if the planned
                   steps win back the seconds that compilation took here
    """
    if device == "cpu":
        machine.keep_memory()
    base = Execution(device, precision or "float32", checkpointing=checkpointing, threads=threads)
    with _traceless():
        if threads:
            torch.set_num_threads(threads)
        load = machine.load() if base.type == "cpu" else machine.Load(0.0, torch.get_num_threads())
        if not threads and load.speedup is not None and load.speedup < 1:
            base = replace(base, threads=1)
        shape = net.graph.input.shape
        images = torch.randn(batch, shape[0], *((side, side) if side else shape[1:]))
        few = _enough(net, base, images)
        trials = [_tried(net, way, images[:few]) for way in _ways(base, precision)]
        best = max(trials, key=lambda trial: trial.rate)
        if steps and best.execution.fused and steps * batch / best.rate > LONG and _has_compiler():
            trials.append(compiled := _tried(net, replace(best.execution, compiled=True), images[:few]))
            if steps * batch * (1 / best.rate - 1 / compiled.rate) > compiled.first:
                best = compiled
    return Choice(best.execution, tuple(trials), few, load)


def _ways(base: Execution, precision: str | None) -> Iterator[Execution]:
    """What is tried, slowest first."""
    fused = base.type == "cpu"
    if precision != "bfloat16":
        yield base
    yield replace(base, channels_last=True, fused=fused)
    if precision is None:
        low = "bfloat16" if _has_bfloat16(base.type) else "float16" if base.type == "cuda" else None
        if low is not None:
            yield replace(base, channels_last=True, fused=fused, precision=low)


def _has_bfloat16(kind: str) -> bool:
    return machine.native_bfloat16() if kind == "cpu" else torch.cuda.is_bf16_supported(including_emulation=False)


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++"))


def _enough(net: Net, base: Execution, images: Tensor) -> int:
    """How many images make a step of about `SECONDS`, between `LEAST` and all."""
    least = min(LEAST, len(images))
    took = least / _tried(net, base, images[:least], seconds=0.0).rate
    return max(least, min(len(images), int(least * SECONDS / took)))


def _tried(net: Net, execution: Execution, images: Tensor, seconds: float = SECONDS) -> Trial:
    """Training steps on a copy, for `seconds` and two at least; the best of them counts."""
    copy = execution.prepare(deepcopy(net).train())
    updates = torch.optim.SGD(copy.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    images, labels = execution.images(images), torch.zeros(len(images), dtype=torch.long, device=execution.device)
    scaler = execution.scaler()

    def step() -> float:
        start = time.perf_counter()
        with execution.autocast():
            out = copy(images)
        heads = out.values() if isinstance(out, dict) else [out]
        loss = sum((F.cross_entropy(logits.float(), labels) for logits in heads), start=images.new_zeros(()))
        updates.zero_grad()
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.step(updates)
        scaler.update()
        loss.item()  # a GPU is done when it can tell
        return time.perf_counter() - start

    first, times = step(), [step()]
    while sum(times) < seconds:
        times.append(step())
    return Trial(execution, len(images) / min(times), first)


@contextmanager
def _traceless() -> Iterator[None]:
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads)
