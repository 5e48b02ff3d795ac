"""SENet: the paper's nets against timm's port of the authors' code, and the printed costs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from torch import nn

from convsmith import cost, spec, trace
from convsmith.nn import Net
from convsmith.spec import Conv, Linear, Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import resnext, senet

from .twins import Published, alike, assert_costs, built, in_timm, logits_differ, norms, shapes

PAPER = [name for name in senet.VARIANTS if name.endswith("_paper")]
pytestmark = pytest.mark.usefixtures("one_thread")


def network(name: str, **options: object) -> Network:
    return senet.VARIANTS[name].network(name, **options)


def of(name: str, **options: object) -> Cost:
    return cost(trace(network(name, **options)))


def twins(name: str) -> tuple[Net, nn.Module]:
    """Ours and timm's `legacy_` port of the authors' Caffe code, pooling as ResNet does."""
    theirs = in_timm(f"legacy_{name.removesuffix('_paper')}")
    theirs.pool0 = nn.MaxPool2d(3, 2, 1)  # Caffe's hangs over the far edge: ceil_mode without padding
    return built(name), theirs


def renamed(key: str) -> str:
    """Our key for one of timm's legacy nets."""
    return re.sub(r"^layer0\.", "", key).replace(".se_module.", ".se.").replace("last_linear.", "fc.")


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_keys_norms_and_counts_are_timms(name: str, macs_of: Callable[..., int]) -> None:
    ours, theirs = twins(name)
    assert list(shapes(ours).items()) == list(shapes(theirs, renamed).items())
    assert norms(ours) == norms(theirs, renamed)
    assert_costs(ours, theirs, macs_of)


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_logits_are_timms(name: str) -> None:
    ours, theirs = twins(name)
    alike(ours, theirs, renamed)
    assert logits_differ(ours, theirs, (32, 32), (33, 49)) <= 1e-9


# Table 2, GFLOPs: ours with gates, ours without, printed without ("re-implementation") and with ("SENet")
TABLE2 = {
    "seresnet50_paper": (spec("resnet50_paper"), 3.86, 3.87),
    "seresnet101_paper": (spec("resnet101_paper"), 7.58, 7.60),
    "seresnet152_paper": (spec("resnet152_paper"), 11.30, 11.32),
    "seresnext50_32x4d": (resnext.VARIANTS["resnext50_32x4d"].network("resnext50_32x4d"), 4.24, 4.25),
    "seresnext101_32x4d": (resnext.VARIANTS["resnext101_32x4d"].network("resnext101_32x4d"), 7.99, 8.00),
}


@pytest.mark.parametrize("name", TABLE2)
def test_table_2_prints_these_multiply_adds(name: str) -> None:
    """The printed figures count up to 0.4 % more than convolutions and linear layers. What the gates add agrees to the
    two roundings if each squeezed element counts as well (one addition; 5.5 M of SE-ResNet-50's 8.0 M)."""
    bare, without, with_gates = TABLE2[name]
    base, total = cost(trace(bare)), of(name)
    for printed, macs in ((without, base.macs), (with_gates, total.macs)):
        assert 1 <= printed * 1e9 / macs < 1.0042
    squeezed = sum(r.facts.ops for r in trace(network(name)).rows if r.path.endswith("se.pool"))
    assert abs((total.macs - base.macs + squeezed) / 1e9 - (with_gates - without)) < 0.01


def test_the_text_prints_what_the_gates_add_to_resnet_50() -> None:
    """Section 4: "about 2.5 million additional parameters beyond the 25 million ... about 10 %"."""
    base = cost(trace(spec("resnet50_paper"))).params
    more = of("seresnet50_paper").params - base
    assert (round(more / 1e6, 1), round(100 * more / base)) == (2.5, 10)


@pytest.mark.parametrize("reduction", [2, 4, 8, 16, 32])
def test_eq_5_gives_the_weights_of_the_gates(reduction: int) -> None:
    """2 / r * the sum over stages of N C^2; their biases are C / r and C more."""
    stages = ((3, 256), (4, 512), (6, 1024), (3, 2048))
    weights = 2 * sum(n * c * c for n, c in stages) // reduction
    biases = sum(n * (c + c // reduction) for n, c in stages)
    found = of("seresnet50_paper", reduction=reduction)
    assert found.params - cost(trace(spec("resnet50_paper"))).params == weights + biases
    assert found.macs - cost(trace(spec("resnet50_paper"))).macs == weights


@pytest.mark.parametrize("name", ["seresnet50", "seresnet50_paper", "seresnext50_32x4d"])
def test_table_1_gives_the_widths_of_the_gates(name: str) -> None:
    """ "fc, [16, 256]", [32, 512], [64, 1024], [128, 2048] in 3, 4, 6 and 3 blocks."""
    rows = {r.path: r.out.channels for r in trace(network(name)).rows}
    found = [(rows[p], rows[p.replace("fc1", "fc2")]) for p in rows if p.endswith("se.fc1")]
    assert found == [(16, 256)] * 3 + [(32, 512)] * 4 + [(64, 1024)] * 6 + [(128, 2048)] * 3


def test_timm_squeezes_64_channels_to_8_where_the_papers_rule_gives_4() -> None:
    squeezed = [
        next(r.out.channels for r in trace(network("seresnet18", multiple=m)).rows if r.path.endswith("fc1"))
        for m in (8, 1)
    ]
    assert squeezed == [8, 4]
    assert of("seresnet18", multiple=1).params == 11_778_592  # imgclsmob's and timm's legacy SE-ResNet-18


@pytest.mark.parametrize("name", senet.VARIANTS)
def test_the_depth_in_a_name_counts_the_main_path(name: str) -> None:
    """SENet-154 is ResNeXt-152 with three 3x3 in place of its first convolution."""
    rows = trace(network(name)).rows
    counted = [r.path for r in rows if isinstance(r.node, Conv | Linear)]
    depth = len([path for path in counted if "downsample" not in path and ".se." not in path])
    assert re.search(r"\d+", name)[0] == str(depth)  # type: ignore[index]


ROWS = {
    **{f"timm/{n}": n for n in ("seresnet18", "seresnet34", "seresnet101", "seresnet152")},
    "timm/seresnet50.a3_in1k": "seresnet50",
    "timm/senet154.gluon_in1k": "senet154",
    "timm/seresnext101_32x4d.gluon_in1k": "seresnext101_32x4d",
    "timm/seresnext50_32x4d.racm_in1k": "seresnext50_32x4d",
    **{f"timm/legacy_seresnet{d}.in1k": f"seresnet{d}_paper" for d in (50, 101, 152)},
}


@pytest.mark.parametrize("row", ROWS)
def test_exact_published_counts_are_ours(row: str, published: Published) -> None:
    (found,) = [x for x in published if x["variant"] == row and x["input_size"] == "224"]
    total = of(ROWS[row])
    assert (str(total.params), str(total.macs)) == (found["params_exact"], found["macs_exact"])


def test_what_cannot_be_is_refused() -> None:
    for options in ({"depth": 20}, {"stride_in": "5x5"}, {"depth": 18, "cardinality": 32}):
        with pytest.raises(SpecError, match="depth is one of"):
            network("seresnet50", **options)
