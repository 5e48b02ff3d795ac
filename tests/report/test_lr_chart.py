"""The chart of a learning-rate range test."""

from __future__ import annotations

import math
from typing import Any

import pytest

from convsmith.report.chart_file import drawn
from convsmith.report.lr_chart import NO_FALL, lr_chart


def curve(**changes: Any) -> dict[str, Any]:
    """A descent from 2.3 to 0.8 about 0.01, then a loss that grows a hundredfold."""
    logs = [-6 + 0.1 * step for step in range(65)]
    smoothed = [0.8 + 1.5 / (1 + math.exp((at + 2) / 0.3)) + 10 ** (4 * at) for at in logs]
    losses = [loss + 0.05 * math.sin(7.7 * step) for step, loss in enumerate(smoothed)]
    lrs = [10**at for at in logs]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, "suggestion": 0.01, "stopped": True} | changes


def test_it_says_what_is_suggested_and_what_the_recipe_has() -> None:
    text = drawn(lr_chart(curve(), 0.1, title="lenet5 on <digits>"), "svg", title="x").decode()
    for words in ("suggested 0.01", "the recipe's 0.1", "lenet5 on &lt;digits&gt;", "after 65 steps, as the loss div"):
        assert words in text, words
    assert NO_FALL not in text


def test_without_a_suggestion_it_says_so_and_a_rate_outside_the_range_has_no_rule() -> None:
    text = drawn(lr_chart(curve(suggestion=None, stopped=False), 50.0, title="t"), "svg", title="x").decode()
    assert NO_FALL in text
    for words in ("suggested", "the recipe", "stopped"):
        assert words not in text


@pytest.mark.parametrize("form", ["html", "svg", "png"])
@pytest.mark.parametrize("dark", [True, False])
def test_every_form_on_every_ground(form: str, dark: bool) -> None:
    assert len(drawn(lr_chart(curve(), 0.1, title="t"), form, title="t", dark=dark)) > 1000


def test_what_diverged_does_not_flatten_the_descent() -> None:
    spec = lr_chart(curve(), 0.1, title="t").to_dict()
    low, high = next(layer["encoding"]["y"]["scale"]["domain"] for layer in spec["layer"] if "y" in layer["encoding"])
    assert 0.2 < low < 0.75
    assert 2.3 < high < 3.5


def test_a_flat_curve_has_an_axis_of_some_height() -> None:
    flat = curve(losses=[0.5] * 65, smoothed=[0.5] * 65, suggestion=None)
    spec = lr_chart(flat, 0.1, title="t").to_dict()
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low < 0.5 < high
