"""ShuffleNet: Table 1's complexities and maps, counts of other people's code, and Fig. 2 written in plain torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convsmith import cost, trace
from convsmith.nn import Net
from convsmith.spec import Conv, Linear, Network, SpecError
from convsmith.zoo import shufflenet

from .twins import Published, alike, assert_costs, built, image, logits_differ, norms, on_meta, shapes, trained_tensors

GROUPS = (1, 2, 3, 4, 8)
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return shufflenet.VARIANTS[name].network(name, classes, **options)


def complexity(name: str, **options: Any) -> int:
    """Multiply-adds without the linear layer's."""
    return sum(row.facts.macs for row in trace(network(name, **options)).rows if not isinstance(row.node, Linear))


class Unit(nn.Module):
    """Fig. 2b (stride 1) and 2c (stride 2); `full` has no groups in its first convolution (section 3.2)."""

    def __init__(self, before: int, width: int, groups: int, stride: int, full: bool) -> None:
        super().__init__()
        neck, out = width // 4, width - before if stride == 2 else width
        self.stride, self.groups = stride, groups
        self.gconv1 = nn.Conv2d(before, neck, 1, groups=1 if full else groups, bias=False)
        self.bn1 = nn.BatchNorm2d(neck)
        self.dwconv = nn.Conv2d(neck, neck, 3, stride, 1, groups=neck, bias=False)
        self.bn2 = nn.BatchNorm2d(neck)
        self.gconv2 = nn.Conv2d(neck, out, 1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.gconv1(x)))
        n, c, rows, cols = y.shape
        y = y.reshape(n, self.groups, c // self.groups, rows, cols).transpose(1, 2).reshape(n, c, rows, cols)
        y = self.bn3(self.gconv2(self.bn2(self.dwconv(y))))
        return F.relu(x + y if self.stride == 1 else torch.cat([F.avg_pool2d(x, 3, 2, 1), y], 1))


class Plain(nn.Module):
    """Table 1 at 1x in torch, without a library."""

    def __init__(self, groups: int, widths: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24))
        before = 24
        for stage, (width, repeat) in enumerate(zip(widths, (3, 7, 3), strict=True), 2):
            units = [Unit(before, width, groups, 2, full=stage == 2)]
            units += [Unit(width, width, groups, 1, full=False) for _ in range(repeat)]
            self.add_module(f"stage{stage}", nn.Sequential(*units))
            before = width
        self.fc = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 3, 2, 1)
        for stage in (self.stage2, self.stage3, self.stage4):
            x = stage(x)
        return self.fc(x.mean((2, 3)))


# Table 1: output channels of stages 2, 3, 4 and complexity in MFLOPs
TABLE1 = {
    1: (144, 288, 576, 143),
    2: (200, 400, 800, 140),
    3: (240, 480, 960, 137),
    4: (272, 544, 1088, 133),
    8: (384, 768, 1536, 137),
}


def twins(groups: int, classes: int = 1000) -> tuple[Net, nn.Module]:
    with on_meta():
        theirs = Plain(groups, TABLE1[groups][:3], classes).eval()
    return built(f"shufflenet_g{groups}", classes=classes), theirs


@pytest.mark.parametrize("groups", GROUPS)
def test_keys_norms_and_counts_are_those_of_fig_2_in_torch(groups: int, macs_of: Callable[..., int]) -> None:
    ours, theirs = twins(groups)
    assert list(ours.graph.weights.items()) == list(shapes(ours).items()) == list(shapes(theirs).items())
    assert norms(ours) == norms(theirs)
    assert_costs(ours, theirs, macs_of)


@pytest.mark.parametrize("groups", GROUPS)
def test_logits_are_those_of_fig_2_in_torch(groups: int) -> None:
    ours, theirs = twins(groups)
    alike(ours, theirs)
    assert logits_differ(ours, theirs, (64, 64), (45, 71)) <= 1e-9


def test_gradients_are_those_of_fig_2_in_torch() -> None:
    ours, theirs = twins(3, 11)
    alike(ours, theirs)
    assert trained_tensors(ours, theirs, image(64, 64, 2)) == 3 * (1 + 3 * 16) + 2


@pytest.mark.parametrize("groups", GROUPS)
def test_table_1(groups: int) -> None:
    *channels, mflops = TABLE1[groups]
    assert round(complexity(f"shufflenet_g{groups}") / 1e6) == mflops
    rows = {row.path: row.out for row in trace(network(f"shufflenet_g{groups}")).rows}
    maps = [(rows[path].rows, rows[path].channels) for path in ("conv1.2", "maxpool", "stage2.3.after",
            "stage3.7.after", "stage4.3.after")]  # fmt: skip
    assert maps == [(112, 24), (56, 24), *zip((28, 14, 7), channels, strict=True)]


@pytest.mark.parametrize("groups", GROUPS)
def test_every_column_has_50_layers(groups: int) -> None:
    rows = trace(network(f"shufflenet_g{groups}")).rows
    assert sum(isinstance(row.node, Conv | Linear) for row in rows) == 50


def test_table_2s_half_width_costs_about_38_mflops() -> None:
    """The column is printed "about" 38: 36.9 to 39.7 M, as widths are rounded to multiples of g."""
    found = {g: round(complexity(f"shufflenet_g{g}_x0_5") / 1e6, 1) for g in GROUPS}
    assert found == {1: 38.2, 2: 38.2, 3: 37.1, 4: 36.9, 8: 39.7}


def test_table_2s_quarter_width_costs_13_mflops_with_12_maps_in_the_first_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [round(complexity(f"shufflenet_g{g}_x0_25") / 1e6) for g in GROUPS] == [11, 11, 11, 12, 12]
    monkeypatch.setattr(shufflenet, "FIRST", 48)
    assert [round(complexity(f"shufflenet_g{g}_x0_25") / 1e6) for g in GROUPS[:4]] == [13, 13, 13, 13]


def test_table_5s_double_width() -> None:
    """524 MFLOPs for 2x, g = 3, here with the linear layer (522 without)."""
    assert cost(trace(network("shufflenet_g3", width=2.0))).macs // 10**6 == 524


# our name and options -> imgclsmob's name in published.csv
ROWS: list[tuple[str, dict[str, Any], str]] = [
    *[(f"shufflenet_g{g}", {}, f"shufflenet_g{g}_w1") for g in GROUPS],
    *[(f"shufflenet_g{g}_x0_5", {}, f"shufflenet_g{g}_wd2") for g in (1, 3)],
    *[(f"shufflenet_g{g}_x0_25", {}, f"shufflenet_g{g}_wd4") for g in (1, 3)],
    *[(f"shufflenet_g{g}", {"width": 0.75}, f"shufflenet_g{g}_w3d4") for g in (1, 3)],
]


@pytest.mark.parametrize(("name", "options", "row"), ROWS)
def test_exact_published_counts_are_ours(name: str, options: dict[str, Any], row: str, published: Published) -> None:
    (found,) = [x for x in published if x["variant"] == f"imgclsmob/{row}"]
    total = cost(trace(network(name, **options)))
    assert (str(total.params), str(total.macs)) == (found["params_exact"], found["macs_exact"])


def test_scaled_widths_divide_into_the_groups() -> None:
    for groups in GROUPS:
        for width in (0.1, 0.3, 1.7):
            assert trace(network("shufflenet_g3", groups=groups, width=width)).rows
    assert trace(network("shufflenet_g8_x0_5")).rows[0].out.channels == 16  # as in the authors' code


def test_options_change_what_they_say() -> None:
    rows = {row.path: row.out.channels for row in trace(network("shufflenet_g3", bottleneck=2)).rows}
    assert (rows["stage2.0.gconv1"], rows["stage2.0.gconv2"], rows["stage2.0.concat"]) == (120, 216, 240)
    with pytest.raises(SpecError, match="groups is one of 1, 2, 3, 4, 8"):
        network("shufflenet_g3", groups=5)
    with pytest.raises(SpecError, match="width above 0"):
        network("shufflenet_g3", width=0)
