"""Timings are taken again, or refused, where others disturb; clock and machine are played here."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from types import SimpleNamespace

import pytest

from convsmith.search import timing
from convsmith.search.timing import timed
from convsmith.spec.errors import BusyError
from convsmith.train.machine import Load


class Stage:
    """A clock that only a call moves, and others' share of the machine, round by round."""

    def __init__(self, patch: pytest.MonkeyPatch, others: list[float], ms: Callable[[float], float]) -> None:
        self.now, self.calls, self.paused = 0.0, 0, 0
        self.others, self.ms = iter(others), ms
        patch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: self.now, sleep=self.sleep))
        patch.setattr(timing, "Watch", lambda: self)

    def seen(self) -> Load:
        return Load(next(self.others), 2)

    def sleep(self, seconds: float) -> None:
        self.paused += 1
        self.now += seconds

    def call(self) -> None:
        self.calls += 1
        self.now += self.ms(self.now) / 1e3


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stage]:
    return lambda others, ms: Stage(monkeypatch, others, ms)


def test_two_quiet_rounds_that_agree(stage: Callable[..., Stage]) -> None:
    played = stage([0, 0], lambda now: 10.0)
    found = timed(played.call)
    assert found.ms == pytest.approx(10)
    assert found.low_ms == pytest.approx(10) == found.high_ms
    assert found.runs == pytest.approx(60, abs=2)  # two rounds of 0.3 s
    assert played.paused == 0


def test_a_disturbed_round_is_taken_again(stage: Callable[..., Stage]) -> None:
    # the third quarter of a second is disturbed: calls take ten times as long
    played = stage([0, 0.5, 0, 0], lambda now: 100.0 if 0.42 < now < 0.8 else 10.0)
    assert timed(played.call).ms == pytest.approx(10)
    assert played.paused == 1


def test_a_round_that_drifts_is_taken_again(stage: Callable[..., Stage]) -> None:
    """A processor that warms up: 10 ms at first, then 15."""
    played = stage([0] * 6, lambda now: 10.0 if now < 0.45 else 15.0)
    assert timed(played.call).ms == pytest.approx(15)


def test_a_machine_that_stays_busy_is_refused(stage: Callable[..., Stage]) -> None:
    played = stage([0.9] * 6, lambda now: 10.0)
    with pytest.raises(BusyError, match="of 6 rounds others disturbed 6 and 0 did not agree with the one before"):
        timed(played.call)
    assert played.paused == 6


def test_a_machine_that_keeps_drifting_is_refused(stage: Callable[..., Stage]) -> None:
    played = stage([0] * 6, lambda now: 10.0 * 1.5 ** (now // 0.3))
    with pytest.raises(BusyError, match="others disturbed 0 and 5 did not agree"):
        timed(played.call)


def test_few_slow_calls_are_enough(stage: Callable[..., Stage]) -> None:
    played = stage([0, 0], lambda now: 1000.0)
    assert timed(played.call).runs == 10


def test_percentiles(stage: Callable[..., Stage]) -> None:
    spread = cycle([1.0, 2.0, 3.0])
    found = timed(stage([0, 0], lambda now: next(spread)).call)
    assert found.ms == pytest.approx(2)
    assert found.low_ms < found.ms < found.high_ms
