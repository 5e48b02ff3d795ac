"""Names moved by order alone, for tensors that come without the module that they were trained in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from torch import Tensor

from convsmith.nn.modules import Net
from convsmith.nn.weights.origin import State
from convsmith.spec.errors import WeightsError


def by_order(state: Mapping[str, Tensor], net: Net, free: Collection[str] = ()) -> State:
    """The tensors under the network's names: first to first, in the order of execution.

    Number, order, shapes and the last part of each name (weight, running_mean, ...) must all agree; only the keys in
    `free` may have another shape. Raises WeightsError naming the first place where the two part.
    """
    wanted, name = list(net.graph.weights.items()), net.network.name
    for place, ((theirs, tensor), (ours, shape)) in enumerate(zip(state.items(), wanted, strict=False), 1):
        fits = tuple(tensor.shape) == tuple(shape) or (ours in free and tensor.dim() == len(shape))
        if not fits or _last(theirs) != _last(ours):
            there, here = _text(theirs, tensor.shape), _text(ours, shape)
            raise WeightsError(f"tensor {place} is {there}, but in {name} it is {here}: these are another network's")
    if len(state) != len(wanted):
        left = list(state)[len(wanted) :] or [key for key, _ in wanted[len(state) :]]
        raise WeightsError(
            f"{len(state)} tensors for the {len(wanted)} of {name}: {left[0]} is left over; these are another network's"
        )
    return {ours: tensor for (ours, _), tensor in zip(wanted, state.values(), strict=True)}


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _text(key: str, shape: Sequence[int]) -> str:
    return f"{key} {list(shape)}"
