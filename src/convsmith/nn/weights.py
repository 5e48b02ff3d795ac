"""Weights from files and from torchvision: every tensor finds its place, or an error lists what does not.

Another number of input channels: the first convolution's kernels are repeated over the channels in turn and scaled by
old / new, so that an image whose new channels repeat the old ones gives the same response; one channel gets their sum.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor

from convsmith.nn.modules import Net
from convsmith.spec.errors import UnknownName, WeightsError, nearest
from convsmith.zoo import variant

State = dict[str, Tensor]


def read_weights(source: str | Path, name: str) -> State:
    """Tensors by name, from a .safetensors or .pth file, or from `torchvision:ENTRY` for the zoo's network `name`.

    Raises WeightsError for a missing or broken file, a pickle that holds more than tensors, or an unknown entry.
    """
    text = str(source)
    if text.startswith("torchvision:"):
        return _from_torchvision(text.partition(":")[2], name)
    path = Path(source)
    if not path.is_file():
        raise WeightsError(f"no weights at {path}; give a .safetensors or .pth file, or torchvision:ENTRY")
    return _from_safetensors(path) if path.suffix == ".safetensors" else _from_pickle(path)


def fill(net: Net, state: Mapping[str, Tensor], source: str, *, new_head: bool = False, adapt: bool = False) -> None:
    """Copy the tensors into the network. Raises WeightsError listing what is missing, extra or of another shape.

    `new_head` lets the last layer start anew where its shape differs, `adapt` fits the first layer to other channels.
    """
    given, wanted = dict(state), net.state_dict()
    first, head = _ends(net)
    if adapt and first in given and given[first].dim() == 4 and first in wanted:
        given[first] = adapt_channels(given[first], wanted[first].shape[1])
    if new_head and any(key in given and given[key].shape != wanted[key].shape for key in head):
        given.update({key: wanted[key] for key in head})
    for key in wanted.keys() - given.keys():
        if key.endswith("num_batches_tracked"):  # older files lack this counter, and nothing reads it
            given[key] = wanted[key]
    problems = _problems(given, wanted)
    if problems:
        hint = (
            "; another number of classes needs classes=, other input channels need channels="
            if "shape" in problems
            else ""
        )
        raise WeightsError(f"{source} does not fit {net.network.name}: {problems}{hint}")
    net.load_state_dict(given)


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """[out, old, kh, kw] -> [out, channels, kh, kw] by the rule above."""
    old = weight.shape[1]
    if channels == old:
        return weight
    if channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, [c % old for c in range(channels)]] * (old / channels)


def _ends(net: Net) -> tuple[str, tuple[str, ...]]:
    weighted = [row for row in net.graph.rows if row.facts.weights and row.tap is None]
    if not weighted:
        return "", ()
    head = weighted[-1]
    return f"{weighted[0].path}.weight", tuple(f"{head.path}.{w.name}" for w in head.facts.weights)


def _problems(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    missing = [key for key in wanted if key not in given]
    extra = [key for key in given if key not in wanted]
    other = [
        f"{key} {list(given[key].shape)} instead of {list(wanted[key].shape)}"
        for key in wanted
        if key in given and given[key].shape != wanted[key].shape
    ]
    found = (("missing", missing), ("extra", extra), ("of another shape", other))
    return "; ".join(f"{len(keys)} {what} ({_some(keys)})" for what, keys in found if keys)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")


def _from_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is broken or cut short ({error}); fetch or write it again") from None


def _from_pickle(path: Path) -> State:
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise WeightsError(
            f"{path} is a pickle that holds more than tensors and could run code when opened; save its state_dict alone"
        ) from None
    except Exception as error:  # broken bytes raise nearly anything in an unpickler
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} is broken or cut short ({first}); fetch or write it again") from None
    for wrapper in ("state_dict", "model"):
        if isinstance(data, dict) and isinstance(data.get(wrapper), dict):
            data = data[wrapper]
    if not isinstance(data, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in data.items()):
        raise WeightsError(f"{path} is not a state dict of tensors; save `net.state_dict()`")
    return {key.removeprefix("module."): value for key, value in data.items()}


def _from_torchvision(entry: str, name: str) -> State:
    from torchvision import models

    enum = variant(name).weights
    if enum is None:
        raise WeightsError(f"torchvision has no weights for {name}; give a file")
    entries = getattr(models, enum).__members__
    if entry not in entries:
        raise UnknownName(
            f"torchvision's {enum} has no entry {entry!r}{nearest(entry, entries)} (it has {', '.join(entries)})"
        )
    try:
        return dict(entries[entry].get_state_dict(progress=True, check_hash=True))
    except (OSError, HTTPException, RuntimeError) as error:  # torch.hub: RuntimeError for a hash that does not match
        raise WeightsError(f"cannot download torchvision's {entry} for {name} ({error}); give a file instead") from None
