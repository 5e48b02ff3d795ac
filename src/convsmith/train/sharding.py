"""A network whose parameters, gradients and optimiser state are shared out over processes (FSDP), and back again.

Zhao et al. 2023, "PyTorch FSDP: experiences on scaling fully sharded data parallel" (arXiv:2304.11277); by torch's
`fully_shard`, which makes each parameter a DTensor split along its first axis. torch's parts for it take half a second
to import, so nobody pays for them who shards nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

    from convsmith.nn import Net


def shard(net: nn.Module, device: torch.device, size: int) -> nn.Module:
    """Share out, in place, each child of the network as a unit that is gathered when it runs, and the rest."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (size,))
    for child in net.children():
        if any(True for _ in child.parameters()):
            fully_shard(child, mesh=mesh)
    fully_shard(net, mesh=mesh)
    return net


def in_step(net: nn.Module) -> bool:
    """Whether all processes have to call the network equally often, as its parameters are gathered for each call."""
    return any(is_sharded(parameter) for parameter in net.parameters())


def is_sharded(tensor: Tensor) -> TypeGuard[DTensor]:
    """Whether this process holds a part of the tensor only."""
    kind = sys.modules.get("torch.distributed.tensor")
    return kind is not None and isinstance(tensor, kind.DTensor)


def whole(tensor: Tensor) -> Tensor:
    """The tensor on the CPU, gathered if it is sharded: then every process has to ask."""
    tensor = tensor.detach()
    return (tensor.full_tensor() if is_sharded(tensor) else tensor).cpu()


def unsharded(net: Net) -> Net:
    """An ordinary network with the same tensors, on the CPU, where `net` is sharded; every process has to ask."""
    if not in_step(net):
        return net
    from convsmith.nn import build

    plain = build(net.network, seed=0)
    plain.load_state_dict({name: whole(tensor) for name, tensor in net.state_dict().items()})
    return plain.eval()


def placed(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor laid out as `like` is."""
    if not is_sharded(like):
        return tensor.to(like.device)
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
