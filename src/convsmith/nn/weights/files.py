"""State dicts out of files: tensors alone, never code."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor

from convsmith.nn.weights.origin import State
from convsmith.spec.errors import WeightsError

SUFFIXES = (".safetensors", ".pth", ".pt")


def read_file(path: Path) -> State:
    """Tensors by name, without the usual wrappings (`state_dict`, `model`, `module.`).

    Raises WeightsError for a broken file, or a pickle that holds more than tensors.
    """
    return _from_safetensors(path) if path.suffix == ".safetensors" else _from_pickle(path)


def first_line(error: BaseException) -> str:
    """What another library's error says, in one line and without a full stop."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(". ")


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
        raise WeightsError(f"{path} is broken or cut short ({first_line(error)}); fetch or write it again") from None
    for wrapper in ("state_dict", "model"):
        if isinstance(data, dict) and isinstance(data.get(wrapper), dict):
            data = data[wrapper]
    if not isinstance(data, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in data.items()):
        raise WeightsError(f"{path} is not a state dict of tensors; save `net.state_dict()`")
    return {key.removeprefix("module."): value for key, value in data.items()}
