"""Measuring: which networks are run, when it ends, and what a machine that changes does to it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from convsmith.search.latency import profile as module
from convsmith.search.latency.cover import ENOUGH, FEW, Cover
from convsmith.search.latency.model import LatencyModel
from convsmith.search.latency.profile import HELD, TAUGHT, TRIES, name_of, profile
from convsmith.search.latency.table import Dissected, LatencyTable
from convsmith.search.latency.units import units
from convsmith.search.latency.verify import spearman, unseen, verdict, verify
from convsmith.search.spaces import space
from convsmith.search.target import Target
from convsmith.spec.errors import BusyError
from convsmith.spec.network import Network

from .played import ENGINE, MACHINE, dissect

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
    assert 13 <= len(steps) <= 16
    assert len(table.networks) == len(steps) + 1  # and the reference
    assert 0.2 < steps[-1].covered < ENOUGH


def changing(ratios: Iterator[float]):  # type: ignore[no-untyped-def]
    """The reference takes so many times as long, time after time."""
    first = Cover(CIFAR, seed=0).middle.network.body

    def look(network: Network) -> Dissected:
        found = dissect(network)
        return found._replace(whole_ms=found.whole_ms * next(ratios)) if network.body == first else found

    return look


def test_a_stretch_in_which_the_machine_changed_is_measured_again() -> None:
    table = empty()
    seen = []
    look = changing(iter([1.0, 1.5, 1.5, *[1.02] * 100]))  # a second look is taken first
    for step in profile(table, [CIFAR], look, seconds=1e6):
        seen.append(step.networks)
    assert table.drift[:2] == pytest.approx([1.5, 1.02])
    stretch = [*range(2, TAUGHT + HELD + 2)]
    assert seen[: 2 * len(stretch)] == [*stretch, *stretch]
    assert len({network.name for network in table.networks}) == len(table.networks)


def test_a_machine_that_keeps_changing_is_refused_and_what_agrees_is_kept() -> None:
    table = empty()
    with pytest.raises(BusyError, match=r"takes 1\.30 times as long as at first; what agrees with it is kept"):
        for _ in profile(table, [CIFAR], changing(iter([1.0, 1.3, 1.0, *[1.3] * 100])), seconds=1e6):
            pass
    assert len(table.networks) == 1 + TAUGHT + HELD
    assert len(table.drift) == 1 + TRIES


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
    pairs = list(verify(model, members, lambda network: dissect(network).whole_ms))
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
