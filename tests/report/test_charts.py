"""Charts of a training."""

from __future__ import annotations

import pytest

pytest.importorskip("altair", reason="altair is not installed")
pytest.importorskip("vl_convert", reason="vl-convert is not installed")

from convsmith.report import charts


def test_control_characters_in_a_class_name_do_not_end_the_process() -> None:
    drawn = charts.confusion([[3, 1], [0, 2]], ["a\x07b", "c\x1b"])  # vl-convert aborts on them
    assert drawn.startswith("<svg")
    assert "a\ufffdb" in drawn
