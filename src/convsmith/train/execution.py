"""How a training is carried out, as a value: device, number format, memory layout, kernels, threads.

None of it changes what is learnt, only how fast and how exactly it is computed. An `Execution` is written in run.json,
so that a training that goes on computes as it did; `convsmith.train.choice` finds the fastest by a short measurement.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from convsmith.nn.recompute import keep_all, recompute
from convsmith.nn.rewire import restore, rewire
from convsmith.spec.errors import SpecError, TrainingError, UnknownName, nearest
from convsmith.train import machine

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class Execution:
    """One way to compute; the default is torch's own, in float32.

    device         "cpu", "cuda", "cuda:1", ...
    precision      what convolutions and linear layers compute in; weights, statistics and updates stay float32.
                   "float16" is for GPUs and needs `scaler()`
    channels_last  images and maps with the channels of a pixel side by side
    fused          norms that do what follows them, and depthwise convolutions that go back faster (`nn.rewire`); CPU
    compiled       the fused norms' kernels by torch.compile: another order of summation; needs a C++ compiler
    checkpointing  blocks keep their inputs alone and run again on the way back: less memory, a third more time
    threads        of torch on the CPU; 0: as many as torch has
    """

    device: str = "cpu"
    precision: str = "float32"
    channels_last: bool = False
    fused: bool = False
    compiled: bool = False
    checkpointing: bool = False
    threads: int = 0

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownName(f"precision is one of {', '.join(PRECISIONS)}, got {self.precision!r}"
                              f"{nearest(self.precision, PRECISIONS)}")  # fmt: skip
        if self.precision == "float16" and self.type == "cpu":
            raise SpecError("float16 trains on a GPU alone: on the CPU choose bfloat16 or float32")
        if self.compiled and not self.fused:
            raise SpecError("compiled is for fused norms: say fused too")
        if isinstance(self.threads, bool) or not isinstance(self.threads, int) or self.threads < 0:
            raise SpecError(f"threads must be an integer of at least 0, got {self.threads!r}")

    @property
    def type(self) -> str:
        """cpu or cuda."""
        try:
            return torch.device(self.device).type
        except RuntimeError:
            raise SpecError(f"no device is called {self.device!r}: there are cpu, cuda, cuda:0, ...") from None

    def prepare(self, net: ModuleT) -> ModuleT:
        """Make `net` compute this way, in place, and return it; call it before the optimiser is made.

        Moves it to the device and lays its weights out; with `fused`, rewires its modules (`nn.rewire`), and with
        `checkpointing` its blocks; sets torch's threads; on the CPU has freed memory kept. State-dict keys and values
        stay. `release` undoes all but device, layout and threads. Raises TrainingError if the device is not there.
        """
        if self.type == "cuda" and not torch.cuda.is_available():
            raise TrainingError(f"there is no {self.device} here: torch sees no GPU; choose cpu")
        if self.type == "cpu":
            machine.keep_memory()
        if self.threads:
            torch.set_num_threads(self.threads)
        if self.precision == "bfloat16" and self.type == "cpu" and not machine.native_bfloat16():
            warnings.warn("this processor has no bfloat16 of its own: float32 is likely faster", stacklevel=2)
        net.to(self.device)
        if self.channels_last:
            net.to(memory_format=torch.channels_last)
        self.release(net)
        if self.fused and self.type == "cpu":
            rewire(net, compiled=self.compiled)
        if self.checkpointing:
            recompute(net)
        return net

    def release(self, net: nn.Module) -> None:
        """Let `net` run as it was built: to export it, to look into it, to train it otherwise."""
        keep_all(net)
        restore(net)

    def autocast(self) -> AbstractContextManager[Any]:
        """Where the network and its loss are computed in the wished precision."""
        off = self.precision == "float32"
        dtype = PRECISIONS["bfloat16" if off else self.precision]
        return torch.autocast(self.type, dtype=dtype, enabled=not off)

    def images(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) on the device, laid out as the network wants them."""
        layout = torch.channels_last if self.channels_last else torch.preserve_format
        return images.to(self.device, memory_format=layout, non_blocking=True)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales float16's loss so that small gradients are no zeros; does nothing in other precisions."""
        return torch.amp.GradScaler(self.type, enabled=self.precision == "float16")

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Execution:
        """Inverse of `to_json`; fields that are not there have their defaults. Raises UnknownName for others."""
        known = [field.name for field in fields(Execution)]
        for name in data:
            if name not in known:
                raise UnknownName(f"an execution has no field {name!r}{nearest(name, known)}")
        return Execution(**data)

    def __str__(self) -> str:
        layout = ["channels-last"] if self.channels_last else []
        extras = [word for word in ("fused", "compiled", "checkpointing") if getattr(self, word)]
        threads = [f"{self.threads} thread{'s' * (self.threads > 1)}"] if self.threads else []
        return ", ".join([self.device, self.precision, *layout, *extras, *threads])
