"""ShuffleNet v2: Table 5's maps and sizes."""

from __future__ import annotations

from typing import Any

import pytest

from convsmith import cost, trace
from convsmith.spec import Conv, Linear, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import shufflenet_v2

NAMES = list(shufflenet_v2.VARIANTS)
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return shufflenet_v2.VARIANTS[name].network(name, classes, **options)


def of(name: str, **options: Any) -> Cost:
    return cost(trace(network(name, **options)))


# Table 5: million FLOPs and million weights printed, and the multiply-adds that there are
TABLE5 = {
    "shufflenet_v2_x0_5": (41, 1.4, 40_476_448),
    "shufflenet_v2_x1_0": (146, 2.3, 144_907_992),
    "shufflenet_v2_x1_5": (299, 3.5, 295_759_392),
    "shufflenet_v2_x2_0": (591, 7.4, 583_253_464),
}


@pytest.mark.parametrize("name", NAMES)
def test_table_5(name: str) -> None:
    """The weights are those printed; the FLOPs printed are 0.7 to 1.4 % above the multiply-adds, which counting
    normalisation or pooling too does not make up for at all four scales."""
    flops, params, macs = TABLE5[name]
    total = of(name)
    assert (round(total.params / 1e6, 1), total.macs) == (params, macs)
    assert 1.007 < flops * 1e6 / total.macs < 1.014


@pytest.mark.parametrize("name", NAMES)
def test_table_5s_maps(name: str) -> None:
    rows = trace(network(name)).rows
    ends = {row.path.split(".")[0]: (row.out.rows, row.out.channels) for row in rows}
    widths = shufflenet_v2.VARIANTS[name].options["scale"]
    first, two, three, four, last = shufflenet_v2.TABLE5[widths]
    assert list(ends.values())[:6] == [(112, first), (56, first), (28, two), (14, three), (7, four), (7, last)]
    assert sum(isinstance(row.node, Conv | Linear) for row in rows) == 57


def test_options_change_what_they_say() -> None:
    rows = {row.path: row.out.channels for row in trace(network(NAMES[0], channels=(8, 16, 32, 64, 128))).rows}
    assert (rows["conv1.0"], rows["stage4.3.shuffle"], rows["conv5.0"]) == (8, 64, 128)
    assert "stage3.2.shuffle" not in {row.path for row in trace(network(NAMES[0], depth=(2, 2, 2))).rows}
    with pytest.raises(SpecError, match=r"scale is one of 0.5, 1.0, 1.5, 2.0, got 3"):
        network(NAMES[0], scale=3)
    with pytest.raises(SpecError, match="of which 3 even"):
        network(NAMES[0], channels=(8, 15, 32, 64, 128))
