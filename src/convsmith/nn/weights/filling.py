"""Tensors into a network: every one finds its place, or an error lists what does not and says what to do."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from convsmith.nn.modules import Net
from convsmith.nn.weights.adapt import adapt_channels, first_keys, head_keys
from convsmith.spec.errors import WeightsError
from convsmith.zoo import VARIANTS


def fill(net: Net, state: Mapping[str, Tensor], source: str, *, new_head: bool = False, adapt: bool = False) -> None:
    """Copy the tensors into the network. Raises WeightsError listing what is missing, extra or of another shape.

    `new_head` lets the last layers start anew where they are for another number of classes, `adapt` fits the first
    ones to other input channels (`adapt_channels`).
    """
    given, wanted = dict(state), net.state_dict()
    for key in first_keys(net.graph) if adapt else ():
        if key in given and given[key].dim() == 4:
            given[key] = adapt_channels(given[key], wanted[key].shape[1])
    if new_head:
        heads = [key.rpartition(".")[0] for key in head_keys(net.graph) if _outputs(key, given, wanted)]
        given.update({key: wanted[key] for key in head_keys(net.graph) if key.rpartition(".")[0] in heads})
    for key in wanted.keys() - given.keys():
        if key.endswith("num_batches_tracked"):  # older files lack this counter, and nothing reads it
            given[key] = wanted[key]
    problems = _problems(given, wanted)
    if problems:
        raise WeightsError(f"{source} does not fit {net.network.name}: {problems}{_remedies(net, given, wanted)}")
    net.load_state_dict(given)


def _problems(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    missing = [key for key in wanted if key not in given]
    extra = [key for key in given if key not in wanted]
    other = [f"{key} {list(given[key].shape)} instead of {list(wanted[key].shape)}" for key in _other(given, wanted)]
    found = (("missing", missing), ("extra", extra), ("of another shape", other))
    return "; ".join(f"{len(keys)} {what} ({_some(keys)})" for what, keys in found if keys)


def _remedies(net: Net, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    other, first, heads = _other(given, wanted), first_keys(net.graph), head_keys(net.graph)
    said = []
    if any(key in heads and _outputs(key, given, wanted) for key in other):
        said.append("another number of classes needs classes=")
    if any(key in first and _inputs(key, given, wanted) for key in other):
        said.append("other input channels need channels=")
    fixed = [key for key in other if wanted[key].dim() == 2 and _inputs(key, given, wanted)]
    if fixed:
        name = net.network.name
        own = f" ({name}'s own is {VARIANTS[name].side})" if name in VARIANTS else ""
        said.append(f"{fixed[0]} is for one size of image: build with the side= that the weights were trained at{own}")
    return "".join(f"; {remedy}" for remedy in said)


def _other(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    return [key for key in wanted if key in given and given[key].shape != wanted[key].shape]


def _outputs(key: str, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    """Whether the layer is there with another number of outputs."""
    return key in given and given[key].shape[:1] != wanted[key].shape[:1]


def _inputs(key: str, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    """Whether the layer is there with as many outputs and another number of inputs."""
    return given[key].shape[:1] == wanted[key].shape[:1] and given[key].shape[1:2] != wanted[key].shape[1:2]


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")
