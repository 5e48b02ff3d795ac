"""The page of a look inside: whole, alone in its file, every word escaped; and its pictures."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convsmith.report import look_charts
from convsmith.report.look import render, write_look
from convsmith.spec import RunError

from .test_page import Page

SECTIONS = ["answers", "filters", "maps", "depth", "method"]
HOSTILE = '"><script>alert(1)</script>{{ 7919*7907 }}'


def rows(ratio: float = 10.0) -> list[dict[str, Any]]:
    return [
        {
            "path": f"conv{i}", "depth": i, "kind": "conv", "mean": 0.01 * i, "std": 1.1**i,
            "zeros": None if i == 8 else 0.5, "weight_grad": 0.1, "weight_grad_rms": 1e-3, "output_grad": 0.2,
            "output_grad_rms": 1e-4 * ratio ** (1 - i / 8),
        }
        for i in range(1, 9)
    ]  # fmt: skip


def record(**changes: Any) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    heat = draw.random((32, 32), dtype=np.float32)
    views = [
        {"class": "cat", "role": "predicted", "probability": 0.93, "cam": heat, "occlusion": heat[:16, :16] - 0.5},
        {"class": "dog", "role": "true", "probability": 0.04, "cam": heat * 0, "occlusion": -heat[:16, :16]},
    ]
    picture = draw.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    images = [{"name": f"pets/{i}.png", "label": "dog", "picture": picture, "views": views} for i in range(2)]
    return {
        "run": "runs/pets", "network": "resnet20", "data": "pets", "command": "convsmith look runs/pets",
        "environment": {"torch": "2.9.1"}, "layer": "layer3.2.after", "about": "The surest 2 of 9 mistakes.",
        "images": images, "square": 6,
        "filters": {"layer": "conv1", "pictures": draw.integers(0, 255, (16, 3, 3, 3), dtype=np.uint8)},
        "maps": {
            "layer": "layer3.2.after", "image": "pets/0.png", "channels": [3, 7, 9], "of": 64,
            "maps": draw.random((3, 8, 8), dtype=np.float32),
        },
        "depth": rows(), "depth_about": "Of 128 training images, in batches of 64.",
    } | changes  # fmt: skip


def opened(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return np.asarray(Image.open(io.BytesIO(png)))


def test_one_file_holds_everything_and_loads_nothing(tmp_path: Path) -> None:
    path = write_look(tmp_path / "look.html", record())
    found = Page(path.read_text("utf-8"))
    assert found.open == []
    assert [i for i in found.ids() if i in SECTIONS] == SECTIONS
    assert {"script", "link", "iframe", "object", "embed", "base", "form"}.isdisjoint(tag for tag, _ in found.tags)
    for tag, attrs in found.tags:
        for name, value in attrs.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href"):
                assert value.startswith(("#", "data:image/png;base64,")), (tag, value)
            if name == "src":
                opened(base64.b64decode(value.partition(",")[2], validate=True))
    assert not re.search(r"url\((?!#)|@import", path.read_text("utf-8"))
    # two images of a picture, a Grad-CAM (the other is empty) and two occlusions; filters; maps
    assert sum(tag == "img" for tag, _ in found.tags) == 2 * 4 + 2
    assert sum(tag == "svg" for tag, _ in found.tags) == 4


def test_it_says_what_is_shown() -> None:
    text = Page(render(record())).text()
    for words in (
        "Inside resnet20 on pets", "The surest 2 of 9 mistakes.", "pets/0.png is dog", "cat 93.0 %, predicted",
        "nothing in this layer speaks for dog", "where layer3.2.after found", "a square of 6 × 6 pixels",
        "conv1: 16 filters of 3 × 3", "the 3 of 64 channels that vary most", "In order: 3, 7, 9.",
        "Of 128 training images, in batches of 64.", "All 8 layers", "convsmith look runs/pets",
    ):  # fmt: skip
        assert words in text, words


def test_what_is_missing_is_said() -> None:
    page = render(record(filters=None, maps=None, depth=None, depth_about="Left out: no labels.", images=[]))
    found = Page(page)
    for words in (
        "has no filters to look at", "no image to show maps of", "Left out: no labels.", "There is nothing to show."
    ):  # fmt: skip
        assert words in found.text(), words
    assert [tag for tag, _ in found.tags if tag in ("img", "svg")] == []


def test_no_word_gets_out_of_its_place() -> None:
    view = record()["images"][0]["views"][0] | {"class": HOSTILE, "role": HOSTILE}
    image = record()["images"][0] | {"name": HOSTILE, "label": HOSTILE, "views": [view]}
    names = dict.fromkeys(("run", "network", "data", "command", "layer", "about", "depth_about"), HOSTILE)
    depth = [row | {"path": HOSTILE} for row in rows()]
    found = Page(render(record(images=[image], depth=depth, environment={HOSTILE: HOSTILE}, **names)))
    assert "script" not in {tag for tag, _ in found.tags}
    assert "62615533" not in found.text()
    assert "{{ 7919*7907 }}" in found.text()
    assert found.open == []


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot write"):
        write_look(tmp_path / "nowhere" / "look.html", record())


def test_heat_glows_where_it_is_positive_and_is_blue_where_negative() -> None:
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[0, 0], heat[3, 3] = 1, -1
    grey = np.full((40, 40, 1), 100, dtype=np.uint8)
    found = opened(look_charts.overlay(grey, heat))
    assert found.shape == (200, 200, 3)  # enlarged fivefold
    red, green, blue = found[2, 2].tolist()
    assert red > 180 > 100 > green
    assert blue < 100
    assert found[-3, -3, 2] > 190 > 100 > found[-3, -3, 0]
    assert found[100, 100].tolist() == [100, 100, 100]
    assert opened(look_charts.overlay(np.full((300, 200, 3), 9, dtype=np.uint8), heat)).shape == (300, 200, 3)


def test_grids_have_their_tiles_in_order() -> None:
    filters = np.zeros((5, 2, 2, 1), dtype=np.uint8)
    filters[4] = 200
    sheet = opened(look_charts.filter_grid(filters, cell=10, columns=3))
    assert sheet.shape == (24, 38, 3)
    assert sheet[18, 18].tolist() == [200] * 3  # the fifth: second row, second column
    assert sheet[18, 32].tolist() == list(look_charts.BETWEEN)  # no sixth
    maps = np.stack([np.arange(4, dtype=np.float32).reshape(2, 2) * scale - 1 for scale in (0, 1, 50)])
    sheet = opened(look_charts.map_grid(maps, cell=8, columns=3))
    assert sheet.shape == (8, 28, 3)
    assert np.array_equal(sheet[:, 10:18], sheet[:, 20:28])  # each by its own range
    assert len(np.unique(sheet[:, :8].reshape(-1, 3), axis=0)) == 1


def test_an_axis_names_powers_of_ten_and_holds_every_value() -> None:
    for values in ([1.0], [0.5, 3], [1e-23, 0.5], [9.9e3, 1e4]):
        named = look_charts._decades(values)
        assert 2 <= len(named) <= look_charts.MOST_DECADES
        assert named[0] <= min(values) <= max(values) <= named[-1]


def test_charts_by_depth_compare_networks_and_leave_out_what_is_not_there() -> None:
    svg = look_charts.gradient_by_depth({"plain": rows(1e6), "residual": rows()})
    for words in ("plain", "residual", "a layer's outputs", "1e-4"):
        assert words in svg, words
    lost = [row | {"output_grad_rms": float("nan")} for row in rows()]
    assert look_charts.gradient_by_depth({"exploded": lost}) == ""
    nothing = [row | {"output_grad_rms": 0.0, "zeros": None} for row in rows()]
    assert look_charts.gradient_by_depth({"dead": nothing}) == ""
    assert look_charts.zeros_by_depth({"tanh": nothing}) == ""
    assert "40%" in look_charts.zeros_by_depth({"net": rows()})
    assert "<svg" in look_charts.activation_by_depth({"net": rows()})
