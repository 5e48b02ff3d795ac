"""What is said of the machine."""

from __future__ import annotations

import platform

import pytest
import torch

from convsmith.train import machine


def test_memory_is_kept_on_glibc_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    if platform.libc_ver()[0] == "glibc":
        assert machine.keep_memory() == machine.keep_memory() == "freed memory is kept for the next step"
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert "only glibc" in machine.keep_memory()


def test_a_load_is_a_sentence() -> None:
    assert str(machine.Load(0.02, 2, 1.9)) == "others use 2% of the machine, 2 threads are 1.9 times as fast as one"
    assert str(machine.Load(0.5, 1)).endswith("too busy for a timing to count")
    assert machine.Load(0.0, 2, 0.5).busy


def test_measuring_the_load_leaves_the_threads() -> None:
    threads = torch.get_num_threads()
    found = machine.load(0.02)
    assert torch.get_num_threads() == threads == found.threads
    assert 0 <= found.others <= 1
    assert machine.cores() >= 1
