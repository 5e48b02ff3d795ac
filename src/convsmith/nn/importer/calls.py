"""A foreign network as a list of calls, whoever recorded it: torch's exporter or an ONNX file.

The words for operations and their arguments are those of torch's ATen library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Shape = tuple[int, ...]


class Ref(NamedTuple):
    """A value by its name: an input, a tensor that the network holds, or what a call has made."""

    name: str


class Call(NamedTuple):
    """One operation: `op` is its word (conv2d), `args` its arguments by name, among them `Ref`s.

    `makes` is what it makes, of `shape`; with several results `shapes` has each one's, and `shape` is None.
    `path` is the module that ran it; `leaf` says that this module has no children, so that the call is what it does.
    `writes` is the value that it overwrites, if it works in place.
    """

    op: str
    args: Mapping[str, Any]
    makes: Ref
    shape: Shape | None
    path: str = ""
    leaf: bool = False
    writes: Ref | None = None
    shapes: tuple[Shape, ...] = ()

    @property
    def reads(self) -> tuple[Ref, ...]:
        """The values that it reads."""
        items = [item for arg in self.args.values() for item in (arg if isinstance(arg, list) else [arg])]
        return tuple(item for item in items if isinstance(item, Ref))


class Tensor(NamedTuple):
    """One that the network holds: its key in the state dict, its shape, and whether it is trained."""

    key: str
    shape: Shape
    trainable: bool


class Program(NamedTuple):
    """The calls in order, the image's name and shape (C, H, W), the tensors, and the name of what comes out."""

    calls: tuple[Call, ...]
    image: Ref
    size: tuple[int, int, int]
    tensors: Mapping[Ref, Tensor]
    output: Ref
    name: str
