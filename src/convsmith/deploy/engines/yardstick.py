"""A fixed work that tells how fast the machine is just now.

Who shares a processor's core or its memory from outside a virtual machine is in no statistics of ours, yet the same
network then takes longer, for minutes. A timing is therefore taken between two looks at the yardstick.
"""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

RUNS = 20
CHANNELS, SIDE = 64, 56
"""Of a 3x3 convolution (0.12 GMACs) and of the 0.8 MB that a sum, a product and a maximum then read and write."""


def yardstick() -> float:
    """Milliseconds of the fixed work on as many threads as torch has now, the lower quartile of a few runs."""
    images, weight = torch.ones(1, CHANNELS, SIDE, SIDE), torch.ones(CHANNELS, CHANNELS, 3, 3)
    taken = []
    with torch.inference_mode():
        for _ in range(RUNS):
            start = time.perf_counter()
            made = F.conv2d(images, weight, padding=1)
            for _ in range(4):
                made = (made + images).mul_(0.5).relu()
            taken.append(time.perf_counter() - start)
    return 1e3 * sorted(taken)[RUNS // 4]
