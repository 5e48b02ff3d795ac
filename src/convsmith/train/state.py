"""All that a training is made of besides its settings: gathered for a checkpoint, and put back from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convsmith.spec.errors import RunError
from convsmith.train.anchor import Anchor
from convsmith.train.checkpoint import Content
from convsmith.train.ema import Ema
from convsmith.train.position import Position
from convsmith.train.schedule import Schedule
from convsmith.train.sharding import placed, whole


@dataclass
class State:
    """The network, and what steps it: any optimiser whose state is tensors and plain values by parameter.

    Tensors are named by the network's own names: model.NAME, ema.NAME, start.NAME (of the anchor), optimiser.NAME.KEY.
    """

    net: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler
    ema: Ema | None
    classes: tuple[str, ...]
    anchor: Anchor | None = None

    def gather(self, at: Position) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Whole tensors on the CPU and plain data. Where parameters are sharded, every process has to ask."""
        tensors = {f"model.{name}": whole(tensor) for name, tensor in self.net.state_dict().items()}
        if self.ema is not None:
            tensors |= {f"ema.{name}": whole(tensor) for name, tensor in self.ema.average.items()}
        if self.anchor is not None:
            tensors |= {f"start.{name}": whole(tensor) for name, tensor in self.anchor.start.items()}
        plain: dict[str, dict[str, Any]] = {}
        for name, _, state in self._steps():
            for key, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"optimiser.{name}.{key}"] = whole(value)
                else:
                    plain.setdefault(name, {})[key] = value
        return tensors, {
            "at": vars(at),
            "optimiser": plain,
            "schedule": self.schedule.state(),
            "scaler": self.scaler.state_dict(),
            "ema_step": self.ema.step if self.ema is not None else 0,
            "classes": list(self.classes),
        }

    def restore(self, content: Content) -> Position:
        """Put back what `gather` gave. Raises RunError if it is another network's or another class map's."""
        tensors, meta = content.tensors, content.meta
        own = self.net.state_dict()
        found = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        if found.keys() != own.keys() or any(found[k].shape != own[k].shape for k in own):
            raise RunError(f"checkpoint {content.path} belongs to another network than spec.json")
        if tuple(meta["classes"]) != self.classes:
            raise RunError(f"checkpoint {content.path} belongs to another class map than run.json")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(placed(found[name], tensor))
            if self.ema is not None:
                for name, tensor in self.ema.average.items():
                    tensor.copy_(placed(tensors[f"ema.{name}"], tensor))
                self.ema.step = meta["ema_step"]
            if self.anchor is not None:
                for name, tensor in self.anchor.start.items():
                    tensor.copy_(placed(tensors[f"start.{name}"], tensor))
        self._restore_optimiser(tensors, meta["optimiser"])
        self.schedule.load(meta["schedule"])
        if meta["scaler"]:
            self.scaler.load_state_dict(meta["scaler"])
        return Position(**meta["at"])

    def _steps(self) -> list[tuple[str, int, Mapping[str, Any]]]:
        """Name, the optimiser's own number and its state of each parameter that it moves."""
        names = {parameter: name for name, parameter in self.net.named_parameters()}
        found, number = [], 0
        for group in self.optimiser.param_groups:
            for parameter in group["params"]:
                found.append((names[parameter], number, self.optimiser.state.get(parameter, {})))
                number += 1
        return found

    def _restore_optimiser(self, tensors: dict[str, Tensor], plain: dict[str, dict[str, Any]]) -> None:
        """Through the optimiser's own `load_state_dict`, which knows where each tensor of it has to lie."""
        parameters = dict(self.net.named_parameters())
        state: dict[int, dict[str, Any]] = {}
        for name, number, _ in self._steps():
            prefix, like = f"optimiser.{name}.", parameters[name]
            own = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
            own = {key: placed(t, like) if t.shape == like.shape else t for key, t in own.items() if "." not in key}
            if own or name in plain:
                state[number] = own | plain.get(name, {})
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
