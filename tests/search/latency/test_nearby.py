"""What measured units tell of others, beside scikit-learn's Gaussian process."""

from __future__ import annotations

import numpy as np
import pytest

from convsmith import spec, trace
from convsmith.search.latency import nearby
from convsmith.search.latency.nearby import Nearby
from convsmith.search.latency.units import Unit, units


def conv_units(*names: str) -> list[Unit]:
    found = {unit.key: unit for name in names for unit in units(trace(spec(name))) if unit.kind == "conv"}
    return list(found.values())


def wave(some: list[Unit]) -> np.ndarray:
    """A smooth function of size."""
    return np.array([np.sin(np.log(unit.macs + 1) / 3) + 0.1 * np.log(unit.pixels) for unit in some])


def test_it_is_the_mean_of_a_gaussian_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    monkeypatch.setattr(nearby, "NEAR", 1000)
    seen, others = conv_units("resnet18", "vgg11"), conv_units("resnet50")
    form = seen[0].form
    seen, others = ([unit._replace(form=form) for unit in some] for some in (seen, others))
    values = wave(seen)
    kernel = RBF(nearby.REACH) + ConstantKernel(nearby.SAME_FORM)
    process = GaussianProcessRegressor(kernel, alpha=nearby.NOISE, optimizer=None)
    process.fit([nearby._place(unit) for unit in seen], values - np.median(values))
    theirs = process.predict([nearby._place(unit) for unit in others]) + np.median(values)
    ours = Nearby(seen, values)
    np.testing.assert_allclose([ours.expected(unit) for unit in others], theirs, atol=1e-9)


def test_the_nearest_alone_say_almost_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, others = conv_units("resnet50", "densenet121", "vgg16", "googlenet"), conv_units("resnet34", "squeezenet1_0")
    assert len(seen) > 2 * nearby.NEAR
    ours = Nearby(seen, wave(seen))
    few = np.array([ours.expected(unit) for unit in others])
    monkeypatch.setattr(nearby, "NEAR", len(seen))
    apart = np.abs(few - [ours.expected(unit) for unit in others])
    assert np.median(apart) < 0.05
    assert apart.max() < 0.25


def test_a_form_has_something_of_its_own() -> None:
    """The same sizes, with something that follows or without: what follows was seen to cost more."""
    plain = conv_units("vgg16")
    long = [unit._replace(form=unit.form + " add", key=unit.key + " add") for unit in plain]
    ours = Nearby([*plain[:6], *long[:6]], np.array([0.0] * 6 + [1.0] * 6))
    assert ours.expected(long[6]) - ours.expected(plain[6]) > 0.5


def test_of_a_kind_that_was_never_seen_the_middle_is_expected() -> None:
    seen = conv_units("vgg16")
    ours = Nearby(seen, np.arange(float(len(seen))))
    assert ours.expected(seen[0]._replace(kind="attention")) == np.median(np.arange(len(seen)))
