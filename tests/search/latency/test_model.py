"""Predictions on a machine that is made up, whose times are known."""

from __future__ import annotations

import numpy as np
import pytest

from convsmith.search.latency.model import LatencyModel
from convsmith.search.latency.roofline import roofline
from convsmith.search.latency.table import LatencyTable
from convsmith.search.latency.units import Unit, units
from convsmith.search.spaces import space
from convsmith.search.target import Target
from convsmith.spec import Network, trace
from convsmith.spec.errors import SpecError

from .played import CALL, ENGINE, HOOK, MACHINE, STEP, dissect, noisy, takes

CIFAR = space("cifar_mb")


def table_of(members: list[Network], look=dissect) -> LatencyTable:  # type: ignore[no-untyped-def]
    table = LatencyTable(MACHINE, ENGINE, Target(threads=1))
    for network in members:
        table.add(look(network), units(trace(network)))
    return table


@pytest.fixture(scope="module")
def model() -> LatencyModel:
    return LatencyModel(table_of([member.network for member in CIFAR.draw(60, seed=0)]))


def test_calls_and_looking_inside_are_told_apart(model: LatencyModel) -> None:
    assert model.start == pytest.approx(CALL, rel=1e-6)
    assert model.step == pytest.approx(STEP - HOOK, rel=1e-6)


def test_units_are_quicker_in_networks_that_move_less() -> None:
    """A machine on which all of a network takes as long as it moves to the power of 0.1."""

    def look(network: Network):  # type: ignore[no-untyped-def]
        found, size = dissect(network), sum(unit.moved + unit.weights for unit in units(trace(network)))
        times = [(ms - HOOK) * (size / 1e6) ** 0.1 for ms in found.ms]
        whole = CALL + sum(times) + STEP * len(times)
        return found._replace(ms=tuple(ms + HOOK for ms in times), whole_ms=whole)

    model = LatencyModel(table_of([member.network for member in CIFAR.draw(60, seed=0)], look))
    assert list(model.crowding.values()) == pytest.approx([0.1] * len(model.crowding), abs=0.05)
    errors = [model.predict(m.graph).ms / look(m.network).whole_ms - 1 for m in CIFAR.draw(50, seed=1)]
    assert np.quantile(np.abs(errors), 0.9) < 0.02


def test_where_size_does_not_matter_nothing_is_made_of_it(model: LatencyModel) -> None:
    assert list(model.crowding.values()) == pytest.approx([0] * len(model.crowding), abs=1e-9)


def test_what_merely_fetches_feels_a_large_network_more_than_what_computes() -> None:
    """A machine on which only pooling is slower in networks that move more."""

    def look(network: Network):  # type: ignore[no-untyped-def]
        found, some = dissect(network), units(trace(network))
        large = (sum(unit.moved + unit.weights for unit in some) / 1e6) ** 0.3
        times = [
            (ms - HOOK) * (large if unit.kind.startswith("avg_pool") else 1.0)
            for ms, unit in zip(found.ms, some, strict=True)
        ]
        whole = CALL + sum(times) + STEP * len(times)
        return found._replace(ms=tuple(ms + HOOK for ms in times), whole_ms=whole)

    model = LatencyModel(table_of([member.network for member in CIFAR.draw(60, seed=0)], look))
    assert 0.1 < model.crowding["avg_pool"] < 0.32  # kinds of which little is seen are drawn towards all
    assert model.crowding["conv"] < 0.05


def test_a_network_whose_units_are_known_is_predicted_exactly(model: LatencyModel) -> None:
    exact = 0
    for member in CIFAR.draw(200, seed=1):
        found = model.predict(member.graph)
        if all(unit.key in model.table.units for unit in units(member.graph)):
            exact += 1
            assert found.measured == pytest.approx(1)
            assert found.ms == pytest.approx(dissect(member.network).whole_ms, rel=1e-9)
    assert exact > 5


def test_units_that_were_not_seen_are_guessed_from_those_nearby(model: LatencyModel) -> None:
    """Members of other sizes, of which the table has hardly a unit."""
    errors = []
    for member in space("cifar_mb", side=40).draw(50, seed=2):
        found = model.predict(member.graph)
        assert found.measured < 0.2
        errors.append(found.ms / dissect(member.network).whole_ms - 1)
    assert np.quantile(np.abs(errors), 0.9) < 0.1


def with_held(count: int, look=dissect) -> LatencyTable:  # type: ignore[no-untyped-def]
    """A table of 60 networks, the last `count` of which are held back."""
    table = table_of([member.network for member in CIFAR.draw(60, seed=0)], look)
    table.networks[-count:] = [network._replace(held=True) for network in table.networks[-count:]]
    return table


def test_the_stated_error_is_that_of_networks_held_back() -> None:
    model = LatencyModel(with_held(10))
    assert len(model.errors) == 10
    assert model.error == pytest.approx(np.quantile(np.abs(model.errors), 0.9))
    assert model.error < 0.05
    assert model.predict(CIFAR.draw(1, seed=0)[0].graph).error == model.error
    rough = LatencyModel(with_held(20, noisy(0.2)))
    assert 0.1 < rough.error < 0.6  # the whole was measured with noise of 0.2, nine in ten of which are within 0.33
    assert "of 20 networks that were held back" in rough.stated
    few = LatencyModel(with_held(4))
    assert few.error == 1.0
    assert few.stated == "4 networks were held back, too few to tell an error"


def test_a_network_held_back_does_not_predict_itself() -> None:
    """One network is twice as slow as its units are elsewhere: the others cannot know."""
    table = with_held(10)
    odd = table.networks[-1]
    table.networks[-1] = odd._replace(whole_ms=2 * odd.whole_ms, ms=tuple(2 * ms for ms in odd.ms))
    assert LatencyModel(table).errors[-1] == pytest.approx(-0.5, abs=0.1)


def test_the_roofline_is_a_bound_by_arithmetic_or_by_memory() -> None:
    def unit(macs: int, moved: int) -> Unit:
        return Unit(f"{macs} {moved}", "conv", "conv", range(0), macs, moved, 0, 1, 1, 1)

    some = [unit(macs, 1000) for macs in (10**6, 10**7, 10**8, 10**9)] + [
        unit(0, moved) for moved in (10**5, 10**6, 10**7)
    ]
    ms = np.array([max(u.macs / 1e6, u.moved / 1e5) + 0.5 for u in some])
    limits = roofline(some, ms)
    assert limits.ms(unit(10**12, 1000)) == pytest.approx(1e6, rel=0.7)
    assert limits.ms(unit(0, 10**9)) == pytest.approx(1e4, rel=0.7)
    assert limits.ms(unit(10**9, 10**9)) == pytest.approx(max(limits.ms(unit(10**9, 0)), limits.ms(unit(0, 10**9))))


def test_fused_units_take_no_negative_time() -> None:
    """An engine that reports 0 for what it fused away, and a look inside that costs more than a unit."""

    def look(network: Network):  # type: ignore[no-untyped-def]
        found = dissect(network)
        return found._replace(ms=tuple(0.0 if i % 3 == 0 else ms + 0.01 for i, ms in enumerate(found.ms)))

    members = CIFAR.draw(30, seed=0)
    model = LatencyModel(table_of([member.network for member in members], look))
    for member in members[:5]:
        assert model.predict(member.graph).ms == pytest.approx(dissect(member.network).whole_ms, rel=0.4)


def test_a_time_that_is_told_with_another_s_now_and_then_does_not_mislead() -> None:
    """In one network of two the engine counts the work of some units as that of the unit after them."""
    count = iter(range(1000))

    def look(network: Network):  # type: ignore[no-untyped-def]
        found = dissect(network)
        ms = [one + 0.003 for one in found.ms]  # looking inside costs more than a call
        if next(count) % 2:
            return found._replace(ms=tuple(ms))
        for i in range(4, len(ms) - 1, 8):
            ms[i], ms[i + 1] = 0.0, ms[i] + ms[i + 1]
        return found._replace(ms=tuple(ms))

    model = LatencyModel(table_of([member.network for member in CIFAR.draw(90, seed=0)], look))
    errors = [model.predict(m.graph).ms / dissect(m.network).whole_ms - 1 for m in CIFAR.draw(50, seed=1)]
    assert np.quantile(np.abs(errors), 0.9) < 0.09


def test_a_table_without_networks_predicts_nothing() -> None:
    with pytest.raises(SpecError, match="the table of latencies is empty: nothing was measured yet"):
        LatencyModel(LatencyTable(MACHINE, ENGINE, Target(threads=1)))


def test_the_played_machine_is_above_its_roofline() -> None:
    assert takes(Unit("", "", "", range(0), 10**6, 0, 0, 1, 1, 1)) > 10**6 / 2e7
