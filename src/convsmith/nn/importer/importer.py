"""`from_torch`: any module as the graph from which tables, pictures and comparisons are read."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convsmith.nn.importer.calls import Call, Program
from convsmith.nn.importer.exported import export
from convsmith.nn.importer.reader import Held, Pieces, Reader
from convsmith.nn.importer.rules import RULES
from convsmith.spec.errors import ImportFailed, SpecError
from convsmith.spec.trace import Graph


def from_torch(module: nn.Module, image: Tensor | int | tuple[int, ...], *, allow_unknown: bool = False) -> Graph:
    """Every operation of a module in evaluation mode on one image: its own, torchvision's, timm's or yours.

    `image` is a tensor (N, C, H, W), its shape without the batch axis (C, H, W), or a side for 3 channels. The module's
    numbers are not used: it may live on the meta device. Rows are named by the modules that run them; a tensor that is
    used twice counts once, a module that runs twice computes twice. Modes and weights are left as they were.

    Raises ImportFailed where torch cannot export the module (its reason in one sentence) or an operation has no rule;
    with `allow_unknown` such operations stand in the graph at no cost, their word followed by "?".
    """
    return read(export(module, _example(module, image)), allow_unknown=allow_unknown)


def read(program: Program, *, allow_unknown: bool = False) -> Graph:
    """The graph of a recorded network. Raises ImportFailed as `from_torch` does."""
    reader = Reader.of(program)
    for call in program.calls:
        made = _read(reader, call, allow_unknown)
        reader.values[call.makes] = made
        if call.writes is not None:  # what was written to is from now on what the call made of it
            reader.values[call.writes] = made
    return reader.graph()


def _read(reader: Reader, call: Call, allow_unknown: bool) -> object:
    inputs = [reader.value(call, name) for name in call.args]
    flat = [item for value in inputs for item in (value if isinstance(value, list) else [value])]
    held = [item for item in flat if isinstance(item, Held)]
    if not any(isinstance(item, tuple) and not isinstance(item, Held) for item in flat):
        return Held(tuple(key for item in held for key in item.keys), call.shape or ())  # made of weights alone
    rule = RULES.get(call.op)
    if rule is not None:
        return rule(reader, call)
    if call.op == "getitem":
        pieces = inputs[0]
        return pieces.items[call.args["index"]] if isinstance(pieces, Pieces) else pieces
    if not allow_unknown:
        where = f" in {call.path}" if call.path else ""
        raise ImportFailed(f"no rule for the operation {call.op}{where}; --allow-unknown lists it at no cost instead")
    ats = [reader.settle(call, item) for item in flat if isinstance(item, tuple) and not isinstance(item, Held)]
    return reader.foreign(call, ats, "shape", *held, word=f"{call.op}?")


def _example(module: nn.Module, image: Tensor | int | tuple[int, ...]) -> Tensor:
    shape = (
        tuple(image.shape) if isinstance(image, Tensor) else (1, 3, image, image) if isinstance(image, int) else image
    )
    shape = (1, *shape) if len(shape) == 3 else shape
    if len(shape) != 4 or not all(isinstance(size, int) and size > 0 for size in shape):
        raise SpecError(f"an image to import with is a tensor (N, C, H, W), a shape (C, H, W) or a side, got {image!r}")
    first = next((value for _, value in _tensors(module) if value.is_floating_point()), None)
    dtype, device = (torch.float32, torch.device("cpu")) if first is None else (first.dtype, first.device)
    return torch.empty(1, *shape[1:], dtype=dtype, device=device)


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
