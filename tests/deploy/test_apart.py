"""Calls in processes of their own: fresh each time, errors come back, and what dies is said to have died."""

from __future__ import annotations

import builtins
import operator
import os
import pickle
import signal
import sys

import pytest

from convsmith.deploy import apart as module
from convsmith.deploy import engines
from convsmith.deploy.apart import apart
from convsmith.search.target import Target
from convsmith.search.timing import Latency
from convsmith.spec import errors
from convsmith.spec.errors import ConvsmithError, TrainingError
from convsmith.zoo import spec

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


def test_each_call_has_a_process_of_its_own() -> None:
    seen = {os.getpid(), apart(os.getpid), apart(os.getpid)}
    assert len(seen) == 3


def test_errors_are_raised_where_it_was_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        apart(operator.truediv, 1, 0)
    assert apart(operator.truediv, 1, 2) == 0.5  # and the next call works


def test_what_dies_is_said_to_have_died() -> None:
    with pytest.raises(TrainingError, match="the process that runs the network was killed by signal 9; it may have"):
        apart(signal.raise_signal, signal.SIGKILL)
    with pytest.raises(TrainingError, match="ended with code 3"):
        apart(os._exit, 3)
    assert apart(operator.add, 1, 2) == 3


def test_large_answers_and_prints_do_not_get_in_the_way() -> None:
    assert len(apart(bytes, 10**7)) == 10**7
    assert apart(builtins.print, "this goes to standard error") is None
    assert apart(operator.add, "a", "b") == "ab"


def test_timings_have_large_pages() -> None:
    assert "glibc.malloc.hugetlb=1" in (apart(os.getenv, "GLIBC_TUNABLES") or "")


def test_a_server_that_was_killed_is_started_again() -> None:
    apart(os.getpid)
    server = module._server
    assert server is not None
    server.kill()
    server.wait()
    assert apart(operator.add, 1, 2) == 3
    assert module._server is not server


def test_a_stop_in_the_middle_stops_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    apart(os.getpid)
    server = module._server
    assert server is not None

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_receive", stopped)
    with pytest.raises(KeyboardInterrupt):
        apart(signal.pause)
    assert server.poll() is not None


def test_every_error_of_ours_survives_the_way() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ConvsmithError)]
    assert len(kinds) > 10
    for kind in kinds:
        again = pickle.loads(pickle.dumps(kind("words")))
        assert type(again) is kind
        assert str(again) == "words"


def test_networks_and_what_is_measured_survive_it(monkeypatch: pytest.MonkeyPatch) -> None:
    network = spec("resnet20")
    assert pickle.loads(pickle.dumps(network)) == network
    asked: list[object] = []

    def instead(*what: object) -> Latency:
        asked.extend(what)
        return Latency(1.0, 1.0, 1.0, 1)

    monkeypatch.setattr(engines, "apart", instead)
    engines.latency(network, Target())
    engines.dissect(network, Target())
    assert asked == [engines.latency_here, network, Target(), engines.dissect_here, network, Target()]
