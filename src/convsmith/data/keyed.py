"""Random numbers as a function of (seed, epoch, sample index, draw), with no generator and no state.

A batch's composition, order, device and number of workers cannot matter, and a training that resumes in the middle of
an epoch sees the images that it would have seen.

The mixer is the finaliser of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators",
with the constants of Vigna's reference code), in int64 arithmetic that wraps.
"""

from __future__ import annotations

import torch


def _signed(value: int) -> int:
    """The int64 with the same 64 bits."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


GOLDEN = _signed(0x9E3779B97F4A7C15)
FIRST = _signed(0xBF58476D1CE4E5B9)
SECOND = _signed(0x94D049BB133111EB)
BITS = 24  # all that float32 can hold evenly in [0, 1)


def mix(x: torch.Tensor) -> torch.Tensor:
    """SplitMix64's finaliser, int64 -> int64 elementwise, a bijection."""
    x = (x ^ _right(x, 30)) * FIRST
    x = (x ^ _right(x, 27)) * SECOND
    return x ^ _right(x, 31)


def _right(x: torch.Tensor, places: int) -> torch.Tensor:
    """Shift that brings in zeros; `>>` of a negative int64 would bring in ones."""
    return (x >> places) & ((1 << (64 - places)) - 1)


def keyed_uniforms(seed: int, epoch: int, index: torch.Tensor, draws: int) -> torch.Tensor:
    """Uniform in [0, 1), float32 (N, draws), on the device of `index`, int64 (N,)."""
    key = torch.tensor(_signed(seed), dtype=torch.int64, device=index.device)
    key = mix(mix(key + GOLDEN) + _signed(epoch))  # mixed between the parts: (1, 2) and (2, 1) are strangers
    row = mix(mix(key + index.long()) + GOLDEN)
    column = (torch.arange(draws, dtype=torch.int64, device=index.device) + 1) * GOLDEN
    bits = mix(row[:, None] + column[None, :])  # (N, draws)
    return _right(bits, 64 - BITS).float() / (1 << BITS)
