"""Timings are taken in turns, of which those are left out that were disturbed; clock and machine are played here."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, cycle, repeat
from types import SimpleNamespace

import pytest

from convsmith.search import timing
from convsmith.search.timing import MOST, TURNS, latency_of, timed
from convsmith.spec.errors import BusyError
from convsmith.train.machine import Load

PACE = 2.5
"""Milliseconds of the fixed work on a quiet machine; it takes no time here."""


class Stage:
    """A clock that only a call moves; others' share of the machine turn by turn, and how slow all is at a time."""

    def __init__(self, patch: pytest.MonkeyPatch, ms: Callable[[float], float], others: Iterator[float]) -> None:
        self.now, self.calls, self.paused = 0.0, 0, 0
        self.others, self.ms = others, ms
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

    def look(self) -> float:
        return PACE * self.ms(self.now) / self.ms(0)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stage]:
    def played(ms: Callable[[float], float], others: Iterable[float] | None = None) -> Stage:
        return Stage(monkeypatch, ms, iter(others or repeat(0.0)))

    return played


def test_a_quiet_machine_is_asked_no_longer_than_it_takes(stage: Callable[..., Stage]) -> None:
    played = stage(lambda now: 10.0)
    turns = timed(played.call, played.look)
    found = latency_of(turns)
    assert len(turns) == TURNS
    assert found.ms == pytest.approx(10)
    assert found.low_ms == pytest.approx(10) == found.high_ms
    assert found.runs == pytest.approx(75, abs=TURNS)  # five turns of 0.15 s
    assert found.pace_ms == pytest.approx(PACE)
    assert found.to_json()["runs"] == found.runs
    assert played.paused == 0


def test_a_turn_that_others_disturb_is_taken_again(stage: Callable[..., Stage]) -> None:
    # after it a second is waited
    played = stage(lambda now: 100.0 if 0.4 < now < 0.8 else 10.0, chain([0, 0, 0.5], repeat(0)))
    assert latency_of(timed(played.call, played.look)).high_ms == pytest.approx(10)
    assert played.paused == 1


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_slow_spells_that_no_statistics_show_are_left_out(stage: Callable[..., Stage], share: float) -> None:
    """For some tenths of each second all takes half as long again."""
    played = stage(lambda now: 15.0 if now % 1 > 1 - share else 10.0)
    found = latency_of(timed(played.call, played.look))
    assert found.ms == pytest.approx(10)
    assert found.pace_ms == pytest.approx(PACE)


def test_a_spell_that_the_fixed_work_does_not_feel_is_left_out(stage: Callable[..., Stage]) -> None:
    played = stage(lambda now: 14.0 if 0.3 < now < 0.6 else 10.0)
    assert latency_of(timed(played.call, lambda: PACE)).high_ms == pytest.approx(10)


def test_a_processor_that_warms_up(stage: Callable[..., Stage]) -> None:
    """10 ms at first, then 15: what it does for long is what counts."""
    played = stage(lambda now: 10.0 if now < 0.45 else 15.0)
    assert latency_of(timed(played.call, played.look)).ms == pytest.approx(15)


def test_a_machine_that_stays_busy_is_refused(stage: Callable[..., Stage]) -> None:
    played = stage(lambda now: 10.0, repeat(0.9))
    with pytest.raises(BusyError, match="of 20 turns others disturbed 20 and 0 fell into slow spells"):
        timed(played.call, played.look)
    assert played.paused == MOST


def test_a_machine_that_keeps_drifting_is_refused(stage: Callable[..., Stage]) -> None:
    played = stage(lambda now: 10.0 * (1 + now))
    with pytest.raises(BusyError, match=r"others disturbed 0 and 1\d fell into slow spells"):
        timed(played.call, played.look)


def test_few_slow_calls_are_enough(stage: Callable[..., Stage]) -> None:
    played = stage(lambda now: 1000.0)
    assert latency_of(timed(played.call, played.look)).runs == 15


def test_percentiles(stage: Callable[..., Stage]) -> None:
    spread = cycle([1.0, 2.0, 3.0])
    found = latency_of(timed(stage(lambda now: next(spread)).call, lambda: PACE))
    assert found.ms == pytest.approx(2)
    assert found.low_ms < found.ms < found.high_ms


def test_what_is_inside_is_looked_at_in_every_turn(stage: Callable[..., Stage]) -> None:
    played, looks = stage(lambda now: 10.0), iter(range(100))
    turns = timed(played.call, played.look, lambda seconds: [seconds, float(next(looks))])
    assert [turn.inside for turn in turns] == [[timing.TURN, at] for at in range(TURNS)]
    assert statistics.median(turn.ms for turn in turns) == pytest.approx(10)
