"""`torchvision:ENTRY`: the weights that torchvision publishes for a network of the zoo."""

from __future__ import annotations

import pickle
from http.client import HTTPException
from pathlib import Path

import torch

from convsmith.nn.weights.files import read_file
from convsmith.nn.weights.offline import VARIABLE, basename, look
from convsmith.nn.weights.origin import Origin, Weights, check_name, origin_of
from convsmith.spec.errors import UnknownName, WeightsError, nearest
from convsmith.zoo import VARIANTS


def from_torchvision(entry: str, name: str) -> Weights:
    """From the offline folder, under the name torch's cache would give the file, or else through torchvision.

    Raises WeightsError without a network or for a broken file, UnknownName for an entry that torchvision lacks.
    """
    from torchvision import models

    enum = VARIANTS[name].weights if name in VARIANTS else None
    if enum is None:
        raise WeightsError(f"torchvision has no weights for {name}; give a file")
    entries = getattr(models, enum).__members__
    if entry not in entries:
        raise UnknownName(
            f"torchvision's {enum} has no entry {entry!r}{nearest(entry, entries)} (it has {', '.join(entries)})"
        )
    source, file = f"torchvision:{entry}", basename(entries[entry].url)
    if path := look(file):
        origin = origin_of(source, path)
        check_name(origin)
        return Weights(read_file(path), origin)
    try:
        state = dict(entries[entry].get_state_dict(progress=True, check_hash=True, weights_only=True))
    # torch.hub raises RuntimeError for a hash that does not match
    except (OSError, HTTPException, RuntimeError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"cannot get torchvision's {entry} for {name} ({error}); without a network, put {file} into the folder "
            f"that {VARIABLE} names"
        ) from None
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file
    origin = origin_of(source, cached) if cached.is_file() else Origin(source)
    if origin.file:
        check_name(origin)  # torch looks at the hash of what it downloads, and not of what its cache holds
    return Weights(state, origin)
