"""Executions as values, and the choice among them."""

from __future__ import annotations

import copy
import json

import pytest
import torch
import torch.nn.functional as F

from convsmith import build
from convsmith.nn import Net
from convsmith.nn.measure_memory import peak_of
from convsmith.spec.errors import SpecError, TrainingError, UnknownName
from convsmith.train import choice, machine
from convsmith.train.choice import choose
from convsmith.train.execution import Execution


def test_an_execution_is_plain_data() -> None:
    one = Execution(precision="bfloat16", channels_last=True, fused=True, threads=1)
    assert Execution.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert Execution.from_json({}) == Execution()
    assert str(one) == "cpu, bfloat16, channels-last, fused, 1 thread"


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"precision": "bfloat"}, UnknownName, "did you mean 'bfloat16'"),
        ({"precision": "float16"}, SpecError, "on the CPU choose bfloat16"),
        ({"device": "abacus"}, SpecError, "no device is called 'abacus'"),
        ({"compiled": True}, SpecError, "say fused too"),
        ({"threads": -1}, SpecError, "at least 0"),
        ({"speed": 1}, UnknownName, "no field 'speed'"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Execution.from_json(fields).autocast()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_missed(net: Net) -> None:
    with pytest.raises(TrainingError, match="choose cpu"):
        Execution("cuda").prepare(net)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_gpu_steps(net: Net, precision: str) -> None:
    way = Execution("cuda", precision, channels_last=True)
    way.prepare(net.train())
    with way.autocast():
        loss = net(way.images(torch.randn(4, 1, 8, 8))).square().mean()
    way.scaler().scale(loss).backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.filterwarnings("ignore:this processor has no bfloat16")
def test_bfloat16_is_close_and_keeps_float32_weights(net: Net) -> None:
    images = torch.rand(32, 1, 8, 8)
    plain, way = copy.deepcopy(net).train(), Execution(precision="bfloat16", channels_last=True, fused=True)
    fast = way.prepare(net.train())
    with way.autocast():
        out = fast(way.images(images))
    want = plain(images)
    assert (out.float() - want).abs().max() < 0.05 * want.abs().max()
    assert {p.dtype for p in fast.parameters()} == {torch.float32}
    way.release(fast)
    assert not any("forward" in vars(m) for m in fast.modules())


def test_checkpointing_takes_less_memory() -> None:
    images = torch.randn(8, 3, 32, 32)

    def peak(checkpointing: bool) -> int:
        net = Execution(checkpointing=checkpointing).prepare(build("resnet20", seed=0)).train()
        return peak_of(lambda: F.cross_entropy(net(images), torch.arange(8)).backward(), 0).tensors

    assert peak(True) < 0.7 * peak(False)


def test_choosing_leaves_no_trace_and_says_what_it_saw(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "SECONDS", 0.01)
    before, random, threads = copy.deepcopy(net.state_dict()), torch.get_rng_state(), torch.get_num_threads()
    found = choose(net, 16)
    assert found.execution == max(found.trials, key=lambda trial: trial.rate).execution
    assert "images/s" in str(found)
    assert len(found.trials) == 2 + machine.native_bfloat16()
    assert all(map(torch.equal, before.values(), net.state_dict().values()))
    assert torch.equal(random, torch.get_rng_state())
    assert threads == torch.get_num_threads()
    assert {t.execution.precision for t in choose(net, 16, precision="float32").trials} == {"float32"}
