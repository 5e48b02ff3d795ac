"""MobileNet v3: torchvision's two nets at other widths, and the maps and sizes of Tables 1 to 3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torchvision import models
from torchvision.models.mobilenetv3 import _mobilenet_v3_conf

from convsmith import cost, trace
from convsmith.spec import Conv, Linear, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import mobilenet_v3

from .twins import Published, assert_costs, built, on_meta, shapes

NAMES = ["mobilenet_v3_large", "mobilenet_v3_small"]
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return mobilenet_v3.VARIANTS[name].network(name, classes, **options)


def of(name: str, **options: Any) -> Cost:
    return cost(trace(network(name, **options)))


@pytest.mark.parametrize("width", [0.35, 0.75, 1.25])
@pytest.mark.parametrize("name", NAMES)
def test_keys_and_counts_are_torchvisions_at_other_widths(name: str, width: float, macs_of: Callable[..., int]) -> None:
    ours = built(name, width=width)
    with on_meta():
        theirs = models.MobileNetV3(*_mobilenet_v3_conf(name, width_mult=width)).eval()
    wanted = shapes(theirs)
    assert list(ours.graph.weights.items()) == list(shapes(ours).items()) == list(wanted.items())
    assert [k for k, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    assert_costs(ours, theirs, macs_of)


@pytest.mark.parametrize("name", NAMES)
def test_exact_published_counts_are_ours(name: str, published: Published) -> None:
    lines = [x for x in published if x["variant"].startswith(f"torchvision/{name}.")]
    assert lines
    total, rows = of(name), trace(network(name)).rows
    for line in lines:
        assert (str(total.params), str(total.macs)) == (line["params_exact"], line["macs_exact"])
        assert str(sum(isinstance(r.node, Conv | Linear) for r in rows)) == line["conv_fc_modules"]


def test_the_authors_printed_counts(published: Published) -> None:
    """Large: 217 M multiply-adds and 5.4 M parameters. At 0.75 they print 155 M and 4.0 M, where torchvision's rule,
    which scales the hidden linear layer too, gives 140 M and 3.4 M."""
    lines = {x["variant"]: x for x in published if x["variant"].startswith("MobileNetV3 ")}
    line, total = lines["MobileNetV3 Large dm=1"], of("mobilenet_v3_large")
    assert line["macs_published"] == f"{round(total.macs / 1e6)}000000"
    assert line["params_published"] == f"{total.params // 10**5}00000"
    thin = of("mobilenet_v3_large", width=0.75)
    assert (lines["MobileNetV3 Large dm=0.75"]["macs_published"], round(thin.macs / 1e6)) == ("155000000", 140)
    assert round(thin.params / 1e6, 1) == 3.4


# Input of each bneck row, then the output of the last: Tables 1 and 2
MAPS = {
    "mobilenet_v3_large": [(112, 16), (112, 16), (56, 24), (56, 24), *[(28, 40)] * 3, *[(14, 80)] * 4, *[(14, 112)] * 2,
                           *[(7, 160)] * 3],
    "mobilenet_v3_small": [(112, 16), (56, 16), (28, 24), (28, 24), *[(14, 40)] * 3, *[(14, 48)] * 2, *[(7, 96)] * 3],
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_tables_1_and_2(name: str) -> None:
    rows = trace(network(name)).rows
    ends = {row.path.split(".")[1]: (row.out.rows, row.out.channels) for row in rows if row.path[:9] == "features."}
    assert list(ends.values())[:-1] == MAPS[name]
    assert ends[str(len(MAPS[name]))] == (7, {"mobilenet_v3_large": 960, "mobilenet_v3_small": 576}[name])


def test_table_3() -> None:
    """Large 219 M multiply-adds and 5.4 M parameters, Small 56 M and 2.5 M: 216.6, 5.48 and 56.5, 2.54 here."""
    large, small = of("mobilenet_v3_large"), of("mobilenet_v3_small")
    assert (large.macs, large.params) == (216_589_760, 5_483_032)
    assert (small.macs, small.params) == (56_510_400, 2_542_856)
    assert (large.params // 10**5, small.params // 10**5, small.macs // 10**6) == (54, 25, 56)


def test_options_change_what_they_say() -> None:
    assert trace(network("mobilenet_v3_large", width=0.5)).rows[0].out.channels == 8
    with pytest.raises(SpecError, match="form is 'large' or 'small'"):
        network("mobilenet_v3_large", form="medium")
    with pytest.raises(SpecError, match="width above 0"):
        network("mobilenet_v3_large", width=0)
