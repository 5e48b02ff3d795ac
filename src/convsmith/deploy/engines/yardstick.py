"""A fixed work that tells how fast the machine is just now.

Who shares a processor's core, its caches or its memory from outside a virtual machine is in no statistics of ours, yet
the same network then takes longer, for seconds or minutes. A timing is therefore taken between two looks at the
yardstick: a convolution that is all arithmetic, and the widening half of a mobile block, whose maps live in the cache
that cores share and which feels a neighbour there several times as much.
"""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from convsmith.train.machine import keep_memory

RUNS = 12
DEEP, SIDE = 64, 56
"""Channels and pixels of a 3x3 convolution (0.12 GMACs), and of sums, products and maxima on its maps of 0.8 MB."""
NARROW, WIDE, LARGE = 16, 96, 112
"""Channels before and after widening by a 1x1 convolution, and pixels: maps of 4.8 MB, which a depthwise 3x3 reads."""


def yardstick() -> float:
    """Milliseconds of the fixed work on as many threads as torch has now, the lower quartile of a few runs.

    Freed memory is kept from here on: the kernel's work on new pages would be in the time.
    """
    keep_memory()
    deep, narrow = torch.ones(1, DEEP, SIDE, SIDE), torch.ones(1, NARROW, LARGE, LARGE)
    across, widen, alone = (torch.ones(*of) for of in ((DEEP, DEEP, 3, 3), (WIDE, NARROW, 1, 1), (WIDE, 1, 3, 3)))
    taken = []
    with torch.inference_mode():
        for _ in range(RUNS):
            start = time.perf_counter()
            made = F.conv2d(deep, across, padding=1)
            for _ in range(4):
                made = (made + deep).mul_(0.5).relu()
            F.conv2d(F.conv2d(narrow, widen).relu_(), alone, padding=1, groups=WIDE).relu_()
            taken.append(time.perf_counter() - start)
    return 1e3 * sorted(taken)[RUNS // 4]
