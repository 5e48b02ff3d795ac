"""The step that all rewrites end with: a module for the new description, filled with copies of the tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from convsmith.nn.build import module_of
from convsmith.nn.modules import Net
from convsmith.spec.network import Network
from convsmith.spec.trace import trace


def rebuilt(old: Net, network: Network, state: Mapping[str, Tensor]) -> Net:
    """A net for `network` with copies of these tensors, which must be all of it; in the old one's mode and place."""
    with torch.random.fork_rng(devices=[]):  # what torch draws for the new layers is overwritten
        net = module_of(trace(network), network, "cpu")
    taken(net, old, state)
    return net


def taken(module: nn.Module, old: Net, state: Mapping[str, Tensor]) -> None:
    """Fill a module with copies of tensors, as they are in type and place, and put it into the old net's mode."""
    module.load_state_dict({key: tensor.detach().clone() for key, tensor in state.items()}, assign=True)
    first = next(iter(old.state_dict().values()), None)
    module.to(first.device if first is not None else "cpu").train(old.training)
