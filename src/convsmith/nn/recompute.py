"""Gradient checkpointing: blocks keep their inputs alone and run once more on the way back (Chen et al. 2016,
"Training deep nets with sublinear memory cost", arXiv:1604.06174).

Outputs, gradients and running statistics are those of the network without it, to the bit: the second run draws the
same random numbers and moves copies of the buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from convsmith.nn.modules import Block, Net


def recompute(net: nn.Module) -> int:
    """Let the innermost blocks of a built network run again on the way back; returns how many there are."""
    blocks = [m for m in net.modules() if isinstance(m, Block) and not isinstance(m, Net)]
    inner = [b for b in blocks if not any(isinstance(m, Block) for m in b.modules() if m is not b)]
    for block in inner:
        vars(block)["forward"] = MethodType(_recomputed, block)
    return len(inner)


def keep_all(net: nn.Module) -> None:
    """Undo `recompute`; does nothing to a network that was left alone."""
    for module in net.modules():
        if getattr(vars(module).get("forward"), "__func__", None) is _recomputed:
            del vars(module)["forward"]


def _recomputed(block: nn.Module, *inputs: Tensor) -> Any:
    if not (block.training and torch.is_grad_enabled()):
        return type(block).forward(block, *inputs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _other_buffers(block)

    return checkpoint(type(block).forward, block, *inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _other_buffers(block: nn.Module) -> Iterator[None]:
    """Copies of the buffers, while the block runs a second time."""
    owned = [(m, name, buffer) for m in block.modules() for name, buffer in m._buffers.items() if buffer is not None]
    try:
        for module, name, buffer in owned:
            module._buffers[name] = buffer.clone()
        yield
    finally:
        for module, name, buffer in owned:
            module._buffers[name] = buffer
