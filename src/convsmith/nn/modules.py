"""The containers of a built network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from convsmith.nn.program import Program
from convsmith.spec.network import Network
from convsmith.spec.trace import Graph

if TYPE_CHECKING:
    from convsmith.nn.weights.origin import Origin

Children = dict[str, nn.Module | nn.Parameter]


class Block(nn.Module):
    """A container whose children form a graph (residual, branches, gate, cell), run by its program.

    Numbered children are indexable: `net.layer1[0]`.
    """

    def __init__(self, children: Children, program: Program, main: tuple[int, ...]) -> None:
        super().__init__()
        for name, child in children.items():
            setattr(self, name, child)
        self.program = program
        self.evaluation = program if main == program.outputs else replace(program.only(main), outputs=program.outputs)

    def forward(self, *inputs: Tensor) -> Any:
        """A tensor, or a tuple where the container has several outputs (None for auxiliary heads in evaluation)."""
        values = self.run(self.program if self.training else self.evaluation, inputs)
        return values[0] if len(values) == 1 else values

    def run(self, program: Program, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Interpret a program over the children."""
        slots: list[Any] = [*inputs, *[None] * (program.slots - program.inputs)]
        for name, args, results, is_join, drop in program.steps:
            taken = [slots[i] for i in args]
            made = join(name, taken) if is_join else call(getattr(self, name), taken)
            if len(results) == 1:
                slots[results[0]] = made
            else:
                for slot, value in zip(results, made, strict=True):
                    slots[slot] = value
            for slot in drop:
                slots[slot] = None
        return tuple(slots[i] for i in program.outputs)

    def __getitem__(self, index: int) -> nn.Module:
        return self._modules[str(index)]  # type: ignore[return-value]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]


class Net(Block):
    """A built network: (N, C, H, W) -> logits (N, classes).

    With auxiliary heads, training returns a dict of `logits` and the heads' outputs by path; evaluation never runs
    them. `network` is the description it was built from and `graph` its trace; `weights_from` says where its weights
    were loaded from, or is None.
    """

    weights_from: Origin | None = None

    def __init__(self, children: Children, program: Program, network: Network, graph: Graph) -> None:
        super().__init__(children, program, program.outputs[:1])
        self.network, self.graph = network, graph

    def forward(self, x: Tensor) -> Any:  # type: ignore[override]  # *inputs would stop torch.fx
        """Logits; see the class for auxiliary heads."""
        if len(self.program.outputs) == 1 or not self.training:
            return self.run(self.evaluation, (x,))[0]
        values = self.run(self.program, (x,))
        return dict(zip(["logits", *(path for path, _ in self.graph.taps)], values, strict=True))


def call(child: nn.Module | nn.Parameter, values: list[Tensor]) -> Any:
    """A child's answer; a bare parameter multiplies."""
    return child(*values) if isinstance(child, nn.Module) else child * values[0]


def join(kind: str, values: list[Tensor]) -> Tensor:
    """Where branches meet: `add`, `concat` along the channels, `mul` by a gate."""
    if kind == "add":
        return reduce(add, values)
    if kind == "concat":
        return torch.cat(values, 1)
    return values[0] * values[1]
