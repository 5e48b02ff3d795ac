"""Where a training stands, in one safetensors file, whole or absent: no pickle, readable without our code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from convsmith.spec.errors import RunError
from convsmith.spec.files import write_whole

VERSION = 1


@dataclass
class Position:
    """Steps done: `epoch` whole epochs and `step` steps of the next, whose sums so far are kept.

    `history` is the log.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def write(path: Path, net: nn.Module, optimiser: torch.optim.Optimizer, at: Position) -> None:
    """Store weights, momentum, torch's random state and the position."""
    tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in net.state_dict().items()}
    names: dict[Any, str] = {parameter: name for name, parameter in net.named_parameters()}
    for parameter, state in optimiser.state.items():
        if state.get("momentum_buffer") is not None:
            tensors[f"momentum.{names[parameter]}"] = state["momentum_buffer"]
    tensors["random"] = torch.get_rng_state()
    meta = {"convsmith": json.dumps({"version": VERSION, **vars(at)})}
    write_whole(path, save({k: v.contiguous() for k, v in tensors.items()}, meta))


def read(path: Path, net: nn.Module, optimiser: torch.optim.Optimizer) -> Position:
    """Restore what `write` stored. Raises RunError naming the file if it is cut short or of another network."""
    try:
        with safe_open(path, "pt") as file:
            meta = json.loads(file.metadata()["convsmith"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(
            f"checkpoint {path} is broken or cut short ({error}); delete it to start this training again"
        ) from None
    if meta.pop("version", None) != VERSION:
        raise RunError(f"checkpoint {path} is of another version; train with the convsmith that wrote it")
    model = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    wanted = net.state_dict()
    if model.keys() != wanted.keys() or any(model[k].shape != wanted[k].shape for k in model):
        raise RunError(f"checkpoint {path} belongs to another network than spec.json")
    net.load_state_dict(model)
    for name, parameter in net.named_parameters():
        if f"momentum.{name}" in tensors:
            optimiser.state[parameter]["momentum_buffer"] = tensors[f"momentum.{name}"]
    torch.set_rng_state(tensors["random"])
    return Position(**meta)
