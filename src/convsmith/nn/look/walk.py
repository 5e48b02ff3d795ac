"""A network run row by row of its graph, so that any value on the way can be looked at, those of joins too.

A forward hook sees the outputs of modules alone, and where branches meet there is none.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from convsmith.nn.modules import Net, call, join
from convsmith.spec.node import Join
from convsmith.spec.trace import INPUT

See = Callable[[int, Tensor], Tensor]
"""Called with a row's index and its value; what it answers goes on in its place."""


def walk(net: Net, x: Tensor, see: See) -> Tensor | dict[str, Tensor]:
    """What `net(x)` gives, bit for bit, in the network's present mode; `see` looks at every row that runs."""
    graph, heads = net.graph, net.training
    needed = [i for i, row in enumerate(graph.rows) if heads or row.tap is None]
    last = {source: i for i in needed for source in graph.rows[i].inputs}
    ends = {graph.output, *(row for _, row in graph.taps if heads)}
    values = {INPUT: x}
    for i in needed:
        row = graph.rows[i]
        taken = [values[source] for source in row.inputs]
        made = join(row.node.kind, taken) if isinstance(row.node, Join) else call(_child(net, row.path), taken)
        values[i] = see(i, made)
        for source in set(row.inputs):
            if last[source] == i and source not in ends:
                del values[source]
    if not heads or not graph.taps:
        return values[graph.output]
    return {"logits": values[graph.output]} | {path: values[row] for path, row in graph.taps}


def training_copy(net: Net) -> Net:
    """A copy in training mode that shares nothing with the net: not a weight, a buffer or a gradient."""
    with torch.inference_mode(False):  # else the copy's tensors could have no gradients
        return copy.deepcopy(net).train()


@contextmanager
def own_draws(seed: int, x: Tensor) -> Iterator[None]:
    """Random draws (dropout, dropped paths) of this seed; afterwards the generators stand where they stood."""
    devices = [x.device] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _child(net: nn.Module, path: str) -> nn.Module | nn.Parameter:
    at: Any = net
    for name in path.split("."):
        at = at._modules[name] if name in at._modules else at._parameters[name]
    return at  # type: ignore[no-any-return]
