from __future__ import annotations

import pytest

from convsmith.search.budget import Budget
from convsmith.search.target import Target
from convsmith.spec.errors import ConvsmithError, SpecError


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("eager", Target()),
        ("onnxruntime", Target("onnxruntime")),
        ("onnxruntime, threads=1, batch=8", Target("onnxruntime", 1, 8)),
        ("eager,device=cuda:1", Target(device="cuda:1")),
    ],
)
def test_a_target_is_written_in_a_word(text: str, target: Target) -> None:
    assert Target.of(text) == target
    assert Target(**target.to_json()) == target


def test_threads_are_one_a_core_if_nothing_is_said() -> None:
    assert Target().settled(4) == Target(threads=4)
    assert Target(threads=1).settled(4) == Target(threads=1)
    assert str(Target().settled(4)) == "eager (4 threads, batch 1)"
    assert str(Target("onnxruntime", 1, 8)) == "onnxruntime (1 thread, batch 8)"
    assert str(Target(device="cuda")) == "eager on cuda (all threads, batch 1)"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("onnx", "no target is called 'onnx'; did you mean 'onnxruntime'? (there are eager, compiled, onnxruntime"),
        ("eager,thread=1", "says 'thread'; did you mean 'threads'?; write ENGINE,threads=2,batch=1"),
        ("eager,batch=x", "target: batch must be an integer, got 'x'"),
        ("eager,batch=0", "target: batch must be an integer of at least 1, got 0"),
        ("onnxruntime,device=cuda", "target: onnxruntime runs on the CPU here, got device 'cuda'"),
    ],
)
def test_targets_that_cannot_be(text: str, says: str) -> None:
    with pytest.raises(ConvsmithError) as caught:
        Target.of(text)
    assert says in str(caught.value)


def test_a_budget_of_latency() -> None:
    budget = Budget(params=1000, latency_ms=5, target=Target("onnxruntime", 2))
    assert str(budget) == "1 k parameters and 5 ms on onnxruntime (2 threads, batch 1)"
    assert str(Budget(latency_ms=0.5)) == "0.5 ms on eager (all threads, batch 1)"
    assert Budget.from_json(budget.to_json()) == budget
    assert Budget.from_json(Budget(macs=7).to_json()) == Budget(macs=7)
    assert "target" not in Budget(macs=7).to_json()
    with pytest.raises(SpecError, match="budget: latency_ms must be above 0, got -1"):
        Budget(latency_ms=-1)
