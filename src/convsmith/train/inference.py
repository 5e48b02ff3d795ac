"""How a trained network answers fastest without answering otherwise: channels side by side, batch norms folded."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from convsmith.nn import Net, fold
from convsmith.spec.errors import SpecError
from convsmith.train import machine
from convsmith.train.execution import Execution


def quickest(net: Net) -> Execution:
    """float32 where the network is, channels last: 1.1 to 1.4 times the rate on CPUs (benchmarks/eval_speed.py)."""
    return Execution(device=str(next(net.parameters()).device), channels_last=True)


def ready(net: Net, execution: Execution | None) -> Net:
    """The network (in evaluation mode) itself, or a copy that computes by `execution`, with batch norms folded.

    On a CPU freed memory is kept either way (`machine.keep_memory`): without, MobileNet v2 was measured to take three
    times as long (benchmarks/eval_speed.py).
    """
    if execution is None:
        if next(net.parameters()).device.type == "cpu":
            machine.keep_memory()
        return net
    try:
        copy = fold(net, partly=True)
    except SpecError:  # it has none that could be folded
        copy = deepcopy(net)
    return replace(execution, checkpointing=False).prepare(copy)
