"""Measuring: which networks are run, when it ends, and what a machine that changes does to it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from convsmith.search.latency import profile as module
from convsmith.search.latency import steady as steady_module
from convsmith.search.latency.cover import ENOUGH, FEW, Cover
from convsmith.search.latency.model import LatencyModel
from convsmith.search.latency.profile import HELD, TAUGHT, name_of, profile
from convsmith.search.latency.table import Dissected, LatencyTable
from convsmith.search.latency.units import units
from convsmith.search.latency.verify import unseen, verdict, verify
from convsmith.search.ranks import spearman
from convsmith.search.spaces import space
from convsmith.search.target import Target
from convsmith.spec.errors import BusyError
from convsmith.spec.network import Network

from .played import ENGINE, MACHINE, PACE, dissect

CIFAR, ZOO = space("cifar_mb"), space("zoo", side=32, classes=10)


def empty() -> LatencyTable:
    return LatencyTable(MACHINE, ENGINE, Target(threads=1))


@pytest.fixture(scope="module")
def whole() -> LatencyTable:
    table = empty()
    for _ in profile(table, [CIFAR, ZOO], dissect, seconds=1e6):
        pass
    return table


def test_members_are_chosen_so_that_all_units_are_seen(whole: LatencyTable) -> None:
    names = [network.name for network in whole.networks]
    assert len(set(names)) == len(names)
    held = [network.name.split()[0] for network in whole.networks if network.held]
    assert {"cifar_mb", "zoo"} == set(held)
    assert len(held) >= 0.2 * len(names)
    for some in (CIFAR, ZOO):
        members = some.draw(200, seed=5)
        work = {unit.key: unit.macs / 10 + unit.moved for member in members for unit in units(member.graph)}
        seen = sum(cost for key, cost in work.items() if key in whole.units)
        assert seen / sum(work.values()) > 0.9


def test_few_of_very_many_members_cover_a_space() -> None:
    """Chosen members show more than drawn ones do."""
    cover = Cover(CIFAR, seed=0)
    chosen: set[str] = set()
    while not cover.done:
        chosen |= {unit.key for unit in units(cover.next().graph)}
    assert cover.covered >= ENOUGH
    assert FEW <= cover.given < 120
    drawn = {unit.key for member in CIFAR.draw(cover.given, seed=9) for unit in units(member.graph)}
    assert len(chosen) > 1.1 * len(drawn)


def test_what_is_known_is_not_measured_again(whole: LatencyTable) -> None:
    more = Cover(CIFAR, seed=0, seen=frozenset(whole.units))
    assert more.covered >= ENOUGH
    before = len(whole.networks)
    assert len(list(profile(whole, [CIFAR], dissect, seconds=1e6))) <= TAUGHT + HELD
    del whole.networks[before:]


def test_time_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def slow(network: Network) -> Dissected:
        now[0] += 1.0
        return dissect(network)

    table = empty()
    steps = list(profile(table, [CIFAR], slow, seconds=15.5))
    assert len(steps) == 16
    assert len(table.networks) == len(steps)
    assert 0.2 < steps[-1].covered < ENOUGH


def at_pace(paces: Iterator[float]):  # type: ignore[no-untyped-def]
    """Everything, the fixed work too, takes so many times as long, network after network."""

    def look(network: Network) -> Dissected:
        found, slow = dissect(network), next(paces)
        return found._replace(
            whole_ms=slow * found.whole_ms, ms=tuple(slow * ms for ms in found.ms), pace_ms=slow * PACE
        )

    return look


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited, which pass at once."""
    waited: list[float] = []
    monkeypatch.setattr(steady_module, "time", SimpleNamespace(sleep=waited.append))
    return waited


def test_slow_spells_are_waited_for(waits: list[float]) -> None:
    """Of forty networks, the tenth to fourteenth looks fall into a time when all takes half as long again."""
    table = empty()
    paces = iter([*[1.0] * 9, *[1.5] * 5, *[1.02] * 1000])
    said: list[str] = []
    steps = [step.networks for step in profile(table, [CIFAR], at_pace(paces), seconds=1e6, say=said.append)]
    assert steps == [*range(1, len(steps) + 1)]
    assert len(waits) == 5
    assert len(said) == 1
    assert said[0].startswith("waiting for the machine to be quiet, 60 s at most: a fixed work takes 1.50 times as")
    assert max(network.pace_ms for network in table.networks) < 1.1 * PACE
    assert table.sound == table.networks


def test_a_table_that_began_in_a_slow_spell_forgets_it(waits: list[float]) -> None:
    """The first four networks; the fifth tells that the machine can do better."""
    table = empty()
    for _ in profile(table, [CIFAR], at_pace(iter([*[1.5] * 4, *[1.0] * 1000])), seconds=1e6):
        pass
    assert not waits
    assert table.pace_ms == PACE
    assert len(table.sound) == len(table.networks) - 4
    members = CIFAR.draw(20, seed=8)
    model = LatencyModel(table)
    errors = [model.predict(member.graph).ms / dissect(member.network).whole_ms - 1 for member in members]
    assert max(map(abs, errors)) < 0.1


def test_a_machine_that_stays_slow_is_refused_and_what_was_measured_is_kept(waits: list[float]) -> None:
    table = empty()
    with pytest.raises(BusyError, match=r"a fixed work takes 1\.30 times as long as when the table was measured: some"):
        for _ in profile(table, [CIFAR], at_pace(iter([*[1.0] * 12, *[1.3] * 1000])), seconds=1e6):
            pass
    assert len(table.networks) == 12
    assert len(waits) == steady_module.LOOKS - 1


def test_a_timing_that_was_refused_is_taken_again(waits: list[float]) -> None:
    left = iter(range(8))

    def look(network: Network) -> Dissected:
        if next(left, None) == 7:
            raise BusyError("no timing counts here now")
        return dissect(network)

    table = empty()
    steps = [step.networks for step in profile(table, [CIFAR], look, seconds=1e6)]
    assert steps == [*range(1, len(steps) + 1)]
    assert len(waits) == 1


def test_a_table_goes_on_from_where_it_was() -> None:
    one, two = empty(), empty()
    for _ in profile(one, [CIFAR], dissect, seconds=1e6):
        pass
    for step in profile(two, [CIFAR], dissect, seconds=1e6):
        if step.networks == 15:
            break
    for _ in profile(two, [CIFAR], dissect, seconds=1e6):
        pass
    assert set(two.units) >= {key for key in one.units if key in two.units}
    assert Cover(CIFAR, 0, frozenset(two.units)).covered >= ENOUGH


def test_predictions_are_held_to_what_is_then_measured(whole: LatencyTable) -> None:
    model = LatencyModel(whole)
    members = unseen(model, CIFAR, 20, seed=3)
    assert len({name_of(member) for member in members}) == 20
    assert not {name_of(member) for member in members} & {network.name for network in whole.networks}
    pairs = list(verify(model, members, lambda member: dissect(member.network).whole_ms))
    found = verdict(pairs)
    assert found.close == 1
    assert found.rank > 0.99
    assert found.macs_rank < found.rank
    assert found.macs_close < 1
    assert pairs[0].error == pytest.approx(pairs[0].predicted_ms / pairs[0].measured_ms - 1)


def test_rank_correlation_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    one, other = [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert spearman(one, one) == pytest.approx(1)
