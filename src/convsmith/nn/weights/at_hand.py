"""Which trained weights are on this machine already, so that nothing has to be fetched."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch

from convsmith.nn.weights.offline import basename, folder, look
from convsmith.zoo import VARIANTS


def at_hand(variant: str, source: str) -> bool:
    """Whether `source`, a row of the zoo's weights, can be read without a network: an installed package, a file in the
    folder CONVSMITH_WEIGHTS, one that torch has fetched before for torchvision."""
    scheme, _, rest = source.partition(":")
    if scheme == "package":
        return _installed(rest)
    if scheme == "timm":
        return look(f"{rest}.safetensors", f"{rest}.pth") is not None
    return scheme == "torchvision" and _of_torchvision(variant, rest)


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _of_torchvision(variant: str, entry: str) -> bool:
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    enum = VARIANTS[variant].weights
    if enum is None or not any(file for where in (cache, folder()) if where for file in where.glob("*.pth")):
        return False  # importing torchvision's models takes a second
    from torchvision import models

    entries = getattr(models, enum).__members__
    file = basename(entries[entry].url) if entry in entries else ""
    return bool(file) and (look(file) is not None or (cache / file).is_file())
