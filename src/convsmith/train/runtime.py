"""One process or many: what a training asks of the others.

`Solo` answers for a process that is alone, so the loop has no `if` for the number of processes. `Processes` speaks over
torch.distributed, as `torchrun` starts it: NCCL between GPUs, gloo between CPUs and for the small words.
"""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from convsmith.spec.errors import RunError, SpecError

PATIENCE = timedelta(hours=4)
"""How long a process waits for the others; the first may build a cache of all images meanwhile."""


class Runtime(ABC):
    """`rank` of `size` processes, and the device that is this one's own (None: as it likes)."""

    rank: int = 0
    size: int = 1
    device: torch.device | None = None

    @property
    def main(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def split(self, index: Tensor) -> Tensor:
        """This process's part of a global batch; parts differ by one image at most, and the first are the larger."""
        return torch.tensor_split(index, self.size)[self.rank]

    @abstractmethod
    def sum(self, tensor: Tensor) -> Tensor:
        """Element by element over all processes, in place."""

    @abstractmethod
    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Each flag, raised for all as soon as one process raises it."""

    @abstractmethod
    def tell(self, text: str) -> str:
        """The main process's text."""

    @abstractmethod
    def wrap(self, net: nn.Module, sharded: bool = False) -> nn.Module:
        """The module to call in training, whose gradients are the mean over the processes."""

    @abstractmethod
    def align(self, net: nn.Module) -> None:
        """The main process's buffers for all: running statistics are each process's own while it trains."""

    @abstractmethod
    def first(self) -> AbstractContextManager[None]:
        """The main process goes through the block before the others: it downloads or builds, they find it."""

    @abstractmethod
    def together(self) -> AbstractContextManager[None]:
        """Around all of a process's work: an end in one process ends all, and only one of them says why."""


class Solo(Runtime):
    """A process that is alone."""

    def sum(self, tensor: Tensor) -> Tensor:
        """The tensor."""
        return tensor

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """The flags."""
        return flags

    def tell(self, text: str) -> str:
        """The text."""
        return text

    def wrap(self, net: nn.Module, sharded: bool = False) -> nn.Module:
        """The network; refuses to shard it over one process."""
        if sharded:
            raise SpecError("a single process has nothing to shard over; start with torchrun, or without --sharded")
        return net

    def align(self, net: nn.Module) -> None:
        """Nothing."""

    def first(self) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()

    def together(self) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()


class Processes(Runtime):
    """One of several processes; `store` is where they meet."""

    def __init__(self, rank: int, size: int, store: Any, device: torch.device | None = None) -> None:
        self.rank, self.size, self.store, self.device = rank, size, store, device
        self._told = 0

    def sum(self, tensor: Tensor) -> Tensor:
        """By all_reduce; the same bits for everyone."""
        dist.all_reduce(tensor)
        return tensor

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """By all_reduce of the maximum, on the CPU, so that no GPU has to be waited for."""
        raised = torch.tensor(flags, dtype=torch.uint8)
        dist.all_reduce(raised, dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in raised.tolist())

    def tell(self, text: str) -> str:
        """Through the store: text, and no pickle."""
        self._told += 1
        if self.main:
            self.store.set(f"told {self._told}", text)
        return str(self.store.get(f"told {self._told}").decode())

    def wrap(self, net: nn.Module, sharded: bool = False) -> nn.Module:
        """DDP, or the network itself with each parameter, its gradient and its optimiser state sharded (FSDP)."""
        if sharded:
            from convsmith.train.sharding import shard

            return shard(net, self.device or torch.device("cpu"), self.size)
        ddp = nn.parallel.DistributedDataParallel
        ids = [self.device] if self.device is not None else None
        new = "forward_sync_buffers" in inspect.signature(ddp).parameters  # torch 2.14 renamed it
        keep = {"forward_sync_buffers" if new else "broadcast_buffers": False}
        return ddp(net, device_ids=ids, gradient_as_bucket_view=True, **keep)  # type: ignore[arg-type]

    def align(self, net: nn.Module) -> None:
        """By broadcast."""
        for buffer in net.buffers():
            dist.broadcast(buffer, 0)

    @contextmanager
    def first(self) -> Iterator[None]:
        """By two barriers' worth of words: the others wait for the main one's."""
        if not self.main:
            self.tell("")
        yield
        if self.main:
            self.tell("")

    @contextmanager
    def together(self) -> Iterator[None]:
        """The first process to fail says so in the store and on the screen; the others, whom that ends, are silent."""
        try:
            yield
        except SystemExit:  # a stop that was agreed on, and told
            raise
        except BaseException as error:
            if not self._speaks():
                raise SystemExit(1) from None
            if lost(error):
                raise RunError(
                    "another process of this training has gone; `convsmith resume` goes on with it"
                ) from None
            raise
        dist.destroy_process_group()

    def _speaks(self) -> bool:
        try:
            return bool(self.store.compare_set("ended by", "", str(self.rank)) == str(self.rank).encode())
        except RuntimeError:  # the store has gone with its process
            return False


def lost(error: BaseException) -> bool:
    """Whether this is how torch says that another process does not answer."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def connect() -> Runtime:
    """The runtime of this process: many if `torchrun` (or anything that sets its variables) started it, else alone."""
    words: dict[str, Any] = {name: os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR")}
    if None in words.values() or int(words["WORLD_SIZE"]) == 1:
        return Solo()
    local = int(os.environ.get("LOCAL_RANK", words["RANK"]))
    device = None
    if (count := torch.cuda.device_count()) > 0:
        if local >= count:
            raise RunError(f"process {local} of this machine has no GPU of its own: say --nproc-per-node {count}")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    store, rank, size = next(iter(rendezvous("env://", timeout=PATIENCE)))
    store = PrefixStore(f"convsmith {restarts()}", store)  # the agent's, where earlier attempts have left words
    backend = "gloo" if device is None else "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    return Processes(rank, size, store, device)


def launch() -> str | None:
    """The name of this launch by torchrun, which all its attempts and machines share; None without one."""
    name = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return None if name == "none" else name


def restarts() -> int:
    """How often torchrun's elastic agent has started this training again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))
