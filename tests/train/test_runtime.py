from __future__ import annotations

import pytest
import torch
from torch import nn

from convsmith.nn import Net
from convsmith.spec.errors import RunError, SpecError, TrainingError
from convsmith.train.faults import check_parts
from convsmith.train.runtime import Processes, Solo, connect, lost
from convsmith.train.sharding import in_step, unsharded
from convsmith.train.sync_norm import SyncNorm, separate, synchronised


def test_one_alone_answers_for_all() -> None:
    solo, net = Solo(), nn.Linear(2, 2)
    assert (solo.rank, solo.size, solo.main) == (0, 1, True)
    assert solo.split(torch.arange(5)).tolist() == [0, 1, 2, 3, 4]
    assert solo.any(True, False) == (True, False)
    assert solo.tell("so") == "so"
    assert solo.wrap(net) is net
    with pytest.raises(SpecError, match=r"nothing to shard over; start with torchrun, or without --sharded"):
        solo.wrap(net, sharded=True)


@pytest.mark.parametrize(("images", "size"), [(125, 2), (125, 3), (3, 4), (8, 8)])
def test_parts_of_a_batch_are_all_of_it_once_and_differ_by_one(images: int, size: int) -> None:
    index = torch.randperm(images)
    parts = [Processes(rank, size, None).split(index) for rank in range(size)]
    assert torch.equal(torch.cat(parts), index)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_without_torchruns_words_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(connect(), Solo)
    monkeypatch.setenv("RANK", "0")
    assert isinstance(connect(), Solo)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert isinstance(connect(), Solo)


def test_a_process_without_a_gpu_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "3", "LOCAL_RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(RunError, match=r"process 3 of this machine has no GPU of its own: say --nproc-per-node 2"):
        connect()


def test_what_torch_says_when_another_has_gone_is_told_from_errors_of_our_own() -> None:
    assert lost(RuntimeError("[third_party/gloo/transport/tcp/pair.cc:547] Connection closed by peer"))
    assert not lost(RuntimeError("shapes cannot be multiplied"))
    assert not lost(KeyboardInterrupt())


def test_a_batch_too_small_for_all_is_refused_by_what_it_would_take(net: Net) -> None:
    two = Processes(0, 2, None)
    check_parts(net, 8, 2, two, sync_norm=False)
    check_parts(net, 4, 2, two, sync_norm=True)
    check_parts(net, 1, 1, Solo(), sync_norm=False)
    with pytest.raises(
        TrainingError, match=r"^a step has 2 images, .* batch normalisation takes two .* batch=4 or more"
    ):
        check_parts(net, 4, 2, two, sync_norm=False)
    with pytest.raises(TrainingError, match=r"^a step has 1 images, too few for 2 processes: .* batch=2 or more"):
        check_parts(net, 2, 2, two, sync_norm=True)


def test_synchronised_norms_hold_the_same_tensors_and_are_undone(net: Net) -> None:
    before, kinds = net.state_dict(), [type(module) for module in net.modules()]
    synchronised(net)
    assert sum(isinstance(module, SyncNorm) for module in net.modules()) == kinds.count(nn.BatchNorm2d) > 0
    assert all(tensor.data_ptr() == before[name].data_ptr() for name, tensor in net.state_dict().items())
    separate(net)
    assert [type(module) for module in net.modules()] == kinds


def test_an_ordinary_network_is_not_taken_for_a_sharded_one(net: Net) -> None:
    assert not in_step(net)
    assert unsharded(net) is net
