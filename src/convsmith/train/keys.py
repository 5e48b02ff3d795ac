"""Torch's random stream, keyed: what a step draws depends on where it stands and on nothing that happened before."""

from __future__ import annotations

import hashlib

import torch

from convsmith.data.feed import permutation as order

__all__ = ["order", "seed_step"]


def seed_step(seed: int, epoch: int, step: int, rank: int) -> None:
    """Begin the stream of a step (dropout, drop-path) on every device; another one for each process."""
    text = f"{seed} {epoch} {step} {rank}".encode()
    torch.manual_seed(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1)
