"""Let a built network run its fast functions, in place, and give it back as it was.

`rewire(net)` changes what runs, never what is stored: parameters, buffers, state-dict keys, types and the tree stay.
    norm, then ReLU or ReLU6           the norm does both (`nn.fused`), the activation hands on what it gets
    norm, then a sum, then either      as one step of the block's program, the norm with the sum's other side
    depthwise convolution, stride > 1  goes back another way in bfloat16 (`nn.depthwise`)
A module is left alone if it has hooks, is shared, or is a subclass. In evaluation the outputs are those of before.
Whoever exports, traces or looks between the two puts things back first: `restore(net)`.

It works by an instance's own `forward` (and a block's own `program`); a deep copy takes both along, rightly bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import MethodType
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.nn.depthwise import depthwise, is_strided
from convsmith.nn.fused import INF, norm_act
from convsmith.nn.modules import Block
from convsmith.nn.program import Program, Step

TOPS: dict[type[nn.Module], float] = {nn.ReLU: INF, nn.ReLU6: 6.0}
"""Activations that a norm can take over, and where they cut off."""


def rewire(net: nn.Module, *, compiled: bool = False) -> int:
    """Let the patterns of `net` run fast, with `compiled` by the compiled kernels; returns how many it found.

    A network that was rewired before is put back first.
    """
    restore(net)
    shared = {m for m, count in Counter(m for _, m in net.named_modules(remove_duplicate=False)).items() if count > 1}
    found = 0
    for module in list(net.modules()):
        if isinstance(module, Block):
            found += _rewire_sums(module, shared, compiled)
        for first, second in _neighbours(module):
            if _is_norm(first, shared) and type(second) in TOPS and _is_free(second, shared):
                _give(first, _norm_then_act)
                vars(first)["fused_top"], vars(first)["fused_compiled"] = TOPS[type(second)], compiled
                _give(second, _hand_on)
                found += 1
        if type(module) is nn.Conv2d and _is_free(module, shared) and is_strided(module):
            _give(module, depthwise)
            found += 1
    return found


def restore(net: nn.Module) -> None:
    """Undo `rewire`; does nothing to a network that was not rewired."""
    for module in net.modules():
        own = vars(module)
        if getattr(own.get("forward"), "__func__", None) in OURS:
            del own["forward"]
        for name in ("fused_top", "fused_compiled"):
            own.pop(name, None)
        if "plain_program" in own:
            module.program = own.pop("plain_program")


def _give(module: nn.Module, forward: Callable[..., Tensor]) -> None:
    vars(module)["forward"] = MethodType(forward, module)


def _is_free(module: nn.Module, shared: set[nn.Module]) -> bool:
    hooks = [module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks]
    return module not in shared and not any(hooks) and "forward" not in vars(module)


def _is_norm(module: nn.Module, shared: set[nn.Module]) -> bool:
    """A batch normalisation in its usual form: with weights, running statistics and a fixed momentum."""
    usual = type(module) is nn.BatchNorm2d and module.affine and module.track_running_stats
    return bool(usual) and module.momentum is not None and _is_free(module, shared)


def _neighbours(module: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Children of which the second is all that reads the first."""
    if type(module) is nn.Sequential:
        yield from pairwise(module)
    elif isinstance(module, Block):
        steps = module.program.steps
        for before, after in pairwise(steps):
            if not before.join and not after.join and after.args == before.results and before.results[0] in after.drop:
                yield module.get_submodule(before.name), module.get_submodule(after.name)


def _rewire_sums(block: Block, shared: set[nn.Module], compiled: bool) -> int:
    """Make one step of each norm, sum and activation of the block's program."""
    steps, found = list(block.program.steps), 0
    for after in block.program.steps:
        total = next((s for s in steps if s.join and s.name == "add" and s.results == after.args), None)
        if after.join or total is None or len(set(total.args)) != 2 or total.results[0] not in after.drop:
            continue
        act = block.get_submodule(after.name)
        norms = [s for s in steps if not s.join and s.results[0] in total.args and s.results[0] in total.drop]
        norm = next((s for s in norms if len(s.results) == 1 and _is_norm(block.get_submodule(s.name), shared)), None)
        if norm is None or type(act) not in TOPS or not _is_free(act, shared):
            continue
        other = next(slot for slot in total.args if slot != norm.results[0])
        one = Step(norm.name, (*norm.args, other), after.results)
        steps = [one if s is after else s for s in steps if s is not norm and s is not total]
        module = block.get_submodule(norm.name)
        _give(module, _norm_add_act)
        vars(module)["fused_top"], vars(module)["fused_compiled"] = TOPS[type(act)], compiled
        found += 1
    if found:
        vars(block)["plain_program"] = plain = block.program
        block.program = Program(plain.inputs, plain.slots, tuple(steps), plain.outputs).only(plain.outputs)
    return found


def _norm_then_act(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """act(norm(x)) in training; in evaluation, or with frozen statistics, of the running statistics."""
    return _norm_add_act(norm, x, None) if norm.training else _act(nn.BatchNorm2d.forward(norm, x), norm)


def _norm_add_act(norm: nn.BatchNorm2d, x: Tensor, *others: Tensor | None) -> Tensor:
    """act(norm(x) + other); without another argument, as evaluation's own program calls it, norm(x) alone."""
    if not others:
        return nn.BatchNorm2d.forward(norm, x)
    other = others[0]
    if not norm.training or (other is not None and (other.dtype != x.dtype or other.shape != x.shape)):
        y = nn.BatchNorm2d.forward(norm, x)
        return _act(y if other is None else y + other, norm)
    assert norm.momentum is not None and norm.running_mean is not None and norm.running_var is not None  # noqa: PT018
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    own: dict[str, Any] = vars(norm)
    return norm_act(
        x, norm.weight, norm.bias, (norm.running_mean, norm.running_var), momentum=norm.momentum, eps=norm.eps,
        other=other, top=own["fused_top"], compiled=own["fused_compiled"],
    )  # fmt: skip


def _act(x: Tensor, norm: nn.Module) -> Tensor:
    top: float = vars(norm)["fused_top"]
    return F.relu(x) if top == INF else F.relu6(x)


def _hand_on(act: nn.Module, x: Tensor) -> Tensor:
    """What the norm before has done already."""
    return x


OURS = frozenset({_norm_then_act, _norm_add_act, _hand_on, depthwise})
