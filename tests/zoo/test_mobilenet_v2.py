"""MobileNet v2: the counts that the authors print for five widths, and Table 2's maps."""

from __future__ import annotations

import math
from typing import Any

import pytest

from convsmith import cost, trace
from convsmith.spec import Conv, Linear, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import mobilenet_v2

from .twins import Published

WIDTHS = {
    "mobilenet_v2": 1.0, "mobilenet_v2_140": 1.4, "mobilenet_v2_075": 0.75, "mobilenet_v2_050": 0.5,
    "mobilenet_v2_035": 0.35,
}  # fmt: skip
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return mobilenet_v2.VARIANTS[name].network(name, classes, **options)


def of(name: str, side: int | None = None, **options: Any) -> Cost:
    return cost(trace(network(name, **options), side))


def test_counts() -> None:
    total = of("mobilenet_v2")
    assert (total.params, total.macs) == (3_504_872, 300_774_272)


def test_the_authors_printed_counts(published: Published) -> None:
    """Multiply-adds of five widths at up to five sides, mostly cut, not rounded; parameters without those of batch
    normalisation."""
    names = {f"{width:g}" if width != 1 else "1.0": name for name, width in WIDTHS.items()}
    lines = [x for x in published if x["variant"].startswith("mobilenet_v2_")]
    seen = 0
    for line in lines:
        width, side = line["variant"].split("_")[2:]
        if width not in names:
            continue
        total = of(names[width], int(side))
        assert int(line["macs_published"]) // 10**6 in (math.floor(total.macs / 1e6), round(total.macs / 1e6))
        plain = sum(row.facts.params for row in trace(network(names[width])).rows if row.kind != "norm")
        assert int(line["params_published"]) == pytest.approx(plain, abs=10_000), line["variant"]
        seen += 1
    assert seen == 21


def test_table_4() -> None:
    """Printed 300 M and 3.4 M at width 1: 300.8 M, and 3.47 M without batch normalisation, cut. For width 1.4 it has
    585 M and 6.9 M, where the authors' release, as we do, has 582 M and 6.06 M (6.11 M with normalisation)."""
    total = of("mobilenet_v2")
    norms = sum(row.facts.params for row in trace(network("mobilenet_v2")).rows if row.kind == "norm")
    assert (total.macs // 10**6, (total.params - norms) // 10**5) == (300, 34)
    assert (of("mobilenet_v2_140").macs // 10**6, of("mobilenet_v2_140").params) == (582, 6_108_776)


def test_table_2s_maps() -> None:
    """Input of each row of Table 2, the last block's output, and the first convolution of the head."""
    rows = trace(network("mobilenet_v2")).rows
    ends = {row.path.split(".")[1]: (row.out.rows, row.out.channels) for row in rows if row.path[:9] == "features."}
    ends = [ends[str(i)] for i in (0, 1, 3, 6, 10, 13, 16, 17, 18)]
    assert ends == [
        (112, 32), (112, 16), (56, 24), (28, 32), (14, 64), (14, 96), (7, 160), (7, 320), (7, 1280)
    ]  # fmt: skip
    assert sum(isinstance(row.node, Conv | Linear) for row in rows) == 53
    assert sum(row.kind == "add" for row in rows) == sum(n - 1 for *_, n, _ in mobilenet_v2.TABLE2)


def test_options_change_what_they_say() -> None:
    wide = {row.path: row.out.channels for row in trace(network("mobilenet_v2", expansion=4)).rows}
    assert (wide["features.2.conv.0.0"], "features.1.conv.2" in wide) == (64, True)
    fine = {row.path: row.out.channels for row in trace(network("mobilenet_v2", width=0.35, multiple=1)).rows}
    assert (fine["features.0.0"], fine["features.18.0"]) == (11, 1280)
    with pytest.raises(SpecError, match="width must be above 0"):
        network("mobilenet_v2", width=-1)
