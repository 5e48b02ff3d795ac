"""What a built network really has and takes, measured without using our own arithmetic."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from convsmith.nn.modules import Net


@dataclass(frozen=True)
class Measured:
    """`macs` by torch's FlopCounterMode / 2 at batch 1.

    Latency of one image in milliseconds, median and 95th percentile.
    """

    params: int
    macs: int
    latency_ms: float
    latency_p95_ms: float
    threads: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def measure(net: Net, runs: int = 30) -> Measured:
    """Count parameters and MACs on the module itself and time single images in evaluation mode (5 warm-up runs)."""
    image = torch.zeros(1, *net.graph.input.shape, device=next(net.parameters()).device)
    was, times = net.training, []
    net.eval()
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            net(image)
        for run in range(runs + 5):
            start = time.perf_counter()
            net(image)
            if image.is_cuda:  # a GPU returns before it is done
                torch.cuda.synchronize(image.device)
            if run >= 5:
                times.append((time.perf_counter() - start) * 1e3)
    net.train(was)
    ordered = sorted(times)
    return Measured(
        params=sum(p.numel() for p in net.parameters()),
        macs=counter.get_total_flops() // 2,
        latency_ms=statistics.median(ordered),
        latency_p95_ms=ordered[int(0.95 * (len(ordered) - 1))],
        threads=torch.get_num_threads(),
    )
