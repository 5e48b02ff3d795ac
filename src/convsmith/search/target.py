"""Where a network is to be fast: an engine, its threads and its batch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from convsmith.spec.errors import SpecError, UnknownName, nearest

ENGINES = {
    "eager": "PyTorch, layer by layer",
    "compiled": "torch.compile",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}


@dataclass(frozen=True)
class Target:
    """An engine on this machine in float32. `threads` 0 is one a core (`settled`); `device` is the eager engine's.

    Raises UnknownName for an engine that there is not, SpecError for counts that cannot be.
    """

    engine: str = "eager"
    threads: int = 0
    batch: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UnknownName(f"no target is called {self.engine!r}{nearest(self.engine, ENGINES)} "
                              f"(there are {', '.join(ENGINES)})")  # fmt: skip
        for name, least in (("threads", 0), ("batch", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SpecError(f"target: {name} must be an integer of at least {least}, got {value!r}")
        if self.device != "cpu" and self.engine not in ("eager", "compiled"):
            raise SpecError(f"target: {self.engine} runs on the CPU here, got device {self.device!r}")

    @staticmethod
    def of(text: str) -> Target:
        """`"onnxruntime"` or `"onnxruntime,threads=1,batch=8"`, as on the command line."""
        engine, *rest = text.split(",")
        found = Target(engine.strip())
        for part in rest:
            name, _, value = (word.strip() for word in part.partition("="))
            if name not in ("threads", "batch", "device"):
                raise UnknownName(f"target: {text!r} says {name!r}{nearest(name, ('threads', 'batch', 'device'))}; "
                                  "write ENGINE,threads=2,batch=1")  # fmt: skip
            if name != "device" and not value.isdigit():
                raise SpecError(f"target: {name} must be an integer, got {value!r}")
            changes: dict[str, Any] = {name: value if name == "device" else int(value)}
            found = replace(found, **changes)
        return found

    def settled(self, cores: int) -> Target:
        """With the threads in numbers."""
        return self if self.threads else replace(self, threads=cores)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def __str__(self) -> str:
        threads = f"{self.threads or 'all'} thread{'s' * (self.threads != 1)}"
        where = "" if self.device == "cpu" else f" on {self.device}"
        return f"{self.engine}{where} ({threads}, batch {self.batch})"
