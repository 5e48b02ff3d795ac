"""The memory that a built network really takes: the CPU allocator's own record of one pass or one training step.

The instrument is torch's profiler: every block that torch's allocator hands out and takes back, in order, with the
operator that was running. It changes nothing of what it watches, while a `TorchDispatchMode` keeps autograd from
summing gradients in place. A block that comes and goes within one call of one operator is that operator's *workspace*
(an unfolded or reordered image of a convolution), as another kernel or device has others; all other blocks are tensors.
Memory that a library takes by itself, Python's own and torch's code are in neither.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint as recomputed

from convsmith.nn.modules import Net

OPTIMISERS: dict[str, Callable[[Iterable[Tensor]], torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, lr=0.01, weight_decay=1e-4, foreach=False),
    "momentum": partial(torch.optim.SGD, lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4, foreach=False),
    "adam": partial(torch.optim.Adam, lr=1e-3, weight_decay=1e-4, foreach=False),
    "adamw": partial(torch.optim.AdamW, lr=1e-3, foreach=False),
}
"""Those of `convsmith.views.memory`, as the loop over the weights that the CPU runs."""


class Peak(NamedTuple):
    """Most bytes alive at once, weights and images included: of `tensors`, and of tensors and `workspaces` together."""

    tensors: int
    with_workspaces: int


def inference_peak(net: Net, batch: int) -> Peak:
    """The peak of a forward pass in evaluation mode, without gradients, on the CPU. `net` is left as it was."""
    image, was = torch.zeros(batch, *net.graph.input.shape, dtype=_dtype(net)), net.training
    net.eval()
    with torch.inference_mode():
        found = peak_of(lambda: net(image), _bytes([*net.parameters(), *net.buffers(), image]))
    net.train(was)
    return found


def training_peak(net: Net, batch: int, optimiser: str = "momentum", checkpoint: Sequence[str] = ()) -> Peak:
    """The peak of a copy's second training step on the CPU: `zero_grad`, forward, cross entropy, backward, update.

    The first step makes the optimiser's state. `checkpoint` are paths of modules that run under
    `torch.utils.checkpoint`. Networks with auxiliary heads learn from the sum of all losses.
    """
    net = deepcopy(net).train()
    images = torch.randn(batch, *net.graph.input.shape, dtype=_dtype(net))
    labels = torch.zeros(batch, dtype=torch.long)
    updates = OPTIMISERS[optimiser](net.parameters())

    def step() -> None:
        out = net(images)
        heads = out.values() if isinstance(out, dict) else [out]
        sum((F.cross_entropy(logits, labels) for logits in heads), start=torch.zeros(())).backward()  # type: ignore[no-untyped-call]
        updates.step()

    for module in map(net.get_submodule, checkpoint):
        module.forward = partial(recomputed, module.forward, use_reentrant=False)
    step()
    updates.zero_grad()  # before the record begins, which does not tell when blocks go that came before it
    state = [t for values in updates.state.values() for t in values.values() if isinstance(t, Tensor)]
    return peak_of(step, _bytes([*net.parameters(), *net.buffers(), images, labels, *state]))


def peak_of(run: Callable[[], Any], before: int) -> Peak:
    """Peaks while `run` runs on the CPU, in addition to `before`, the bytes of tensors that are there already."""
    changes = _record(run)
    given: dict[int, int] = {}
    workspace: set[int] = set()
    for i, change in enumerate(changes):
        if change.size > 0:
            given[change.address] = i
            continue
        first = given.pop(change.address, None)
        if first is not None and change.operator is not None and change.operator is changes[first].operator:
            workspace |= {first, i}
    tensors = [change for i, change in enumerate(changes) if i not in workspace]
    return Peak(before + _highest(tensors), before + _highest(changes))


def _dtype(net: nn.Module) -> torch.dtype:
    return next(net.parameters()).dtype


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())


class _Change(NamedTuple):
    """A block handed out (size above 0) or taken back, and the call of an operator in which it happened."""

    time: int
    address: int
    size: int
    operator: Any


def _highest(changes: Iterable[_Change]) -> int:
    now = highest = 0
    for change in changes:
        now += change.size
        highest = max(highest, now)
    return highest


def _record(run: Callable[[], Any]) -> list[_Change]:
    was = gc.isenabled()
    gc.disable()  # what earlier steps left in cycles would be taken back at some moment of this one
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
            run()
    finally:
        if was:
            gc.enable()
    assert profiler.profiler is not None
    assert profiler.profiler.kineto_results is not None
    waiting: list[tuple[Any, Any]] = [(e, None) for e in profiler.profiler.kineto_results.experimental_event_tree()]
    found = []
    while waiting:
        event, operator = waiting.pop()
        if event.tag == _EventType.Allocation:
            block = event.typed[1]
            found.append(_Change(event.start_time_ns, block.ptr, block.alloc_size, operator))
        elif operator is None and event.name.startswith("aten::"):
            operator = event  # the outermost, so that what one operator hands to another within it is no tensor
        waiting += [(child, operator) for child in event.children]
    return sorted(found, key=lambda change: change.time)
