"""RegNet: the paper's forms as timm has them, its lists of top models, and Eq. 2 to 4 over the design space."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

import pytest
from torch import nn
from torchvision.models import regnet as tv

from convsmith import cost, trace
from convsmith.nn import Net
from convsmith.spec import Network, SpecError
from convsmith.views.cost import Cost
from convsmith.zoo import regnet

from .twins import (
    Published,
    Rename,
    alike,
    assert_costs,
    built,
    image,
    in_timm,
    inverse,
    logits_differ,
    norms,
    regnet_params,
    shapes,
    trained_tensors,
)

NAMES = list(regnet.VARIANTS)
LIBRARY = [name for name, found in regnet.VARIANTS.items() if found.provenance == "torchvision"]
PAPER = [name for name in NAMES if name not in LIBRARY]
pytestmark = pytest.mark.usefixtures("one_thread")

TIMM = {
    r"^trunk_output\.block(\d)\.block\d-": r"s\1.b", r"^stem\.0": "stem.conv", r"^stem\.1": "stem.bn",
    r"\.proj\.0": ".downsample.conv", r"\.proj\.1": ".downsample.bn", r"\.f\.se": ".se", r"^fc": "head.fc",
    r"\.f\.a\.0": ".conv1.conv", r"\.f\.b\.0": ".conv2.conv", r"\.f\.c\.0": ".conv3.conv",
    r"\.f\.a\.1": ".conv1.bn", r"\.f\.b\.1": ".conv2.bn", r"\.f\.c\.1": ".conv3.bn",
}  # fmt: skip
"""What timm calls the parts, whose blocks count from 1."""


def network(name: str, **options: object) -> Network:
    return regnet.VARIANTS[name].network(name, **options)


def of(name: str, **options: object) -> Cost:
    return cost(trace(network(name, **options)))


def timm_name(name: str) -> str:
    """`regnetx_016` for x_1_6gf; `_tv` where timm has both roundings."""
    space, size = name.removeprefix("regnet_").removesuffix("_paper").split("_", 1)
    tenths = float(size[:-2].replace("_", ".")) * (10 if size.endswith("gf") else 0.01)
    twice = f"{name}_paper" in NAMES
    return f"regnet{space}_{round(tenths):03}" + ("_tv" if twice else "")


def timms(key: str) -> str:
    """timm's key for ours."""
    for ours, theirs in TIMM.items():
        key = re.sub(ours, theirs, key)
    return re.sub(r"\.b(\d+)\.", lambda block: f".b{int(block[1]) + 1}.", key)


def twins(name: str) -> tuple[Net, nn.Module, Rename]:
    """Ours, timm's, and our key for timm's."""
    ours = built(name)
    return ours, in_timm(timm_name(name)), inverse(timms, ours)


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_keys_norms_and_counts_are_timms(name: str, macs_of: Callable[..., int]) -> None:
    ours, theirs, renamed = twins(name)
    assert list(shapes(ours).items()) == list(shapes(theirs, renamed).items())
    assert norms(ours) == norms(theirs, renamed)
    assert_costs(ours, theirs, macs_of)


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_logits_are_timms(name: str) -> None:
    ours, theirs, renamed = twins(name)
    alike(ours, theirs, renamed)
    sizes = ((32, 32), (33, 49)) if of(name).params < 2e7 else ((33, 49),)  # the largest take seconds
    assert logits_differ(ours, theirs, *sizes) <= 1e-9


def test_the_papers_gradients_are_timms() -> None:
    ours, theirs, renamed = twins("regnet_x_200mf")
    alike(ours, theirs, renamed)
    assert trained_tensors(ours, theirs, image(64, 64, 2), renamed) == 3 * (1 + 3 * 13 + 4) + 2


def stages(name: str) -> list[tuple[int, int]]:
    """Depth and width of each stage, as traced."""
    rows = trace(network(name)).rows
    blocks = {row.path.split(".")[2]: row.out.channels for row in rows if row.path.endswith(".after")}
    widths = {block.split("-")[0]: width for block, width in blocks.items()}
    depths = Counter(block.split("-")[0] for block in blocks)
    return [(depths[stage], width) for stage, width in widths.items()]


@pytest.mark.parametrize("name", LIBRARY)
def test_stages_are_torchvisions(name: str) -> None:
    theirs = regnet_params(name)
    assert stages(name) == list(zip(theirs.depths, theirs.widths, strict=True))


# The lists of top models, Fig. 15 (RegNetX) and Fig. 16 (RegNetY): billions of multiply-adds, millions of parameters,
# millions of activations (outputs of convolutions)
FIG15_16 = {
    "x_200mf": (0.2, 2.7, 2.2), "x_400mf": (0.4, 5.2, 3.1), "x_600mf": (0.6, 6.2, 4.0), "x_800mf": (0.8, 7.3, 5.1),
    "x_1_6gf": (1.6, 9.2, 7.9), "x_3_2gf": (3.2, 15.3, 11.4), "x_4gf": (4.0, 22.1, 12.2), "x_6_4gf": (6.5, 26.2, 16.4),
    "x_8gf": (8.0, 39.6, 14.1), "x_12gf": (12.1, 46.1, 21.4), "x_16gf": (15.9, 54.3, 25.5),
    "x_32gf": (31.7, 107.8, 36.3),
    "y_200mf": (0.2, 3.2, 2.2), "y_400mf": (0.4, 4.3, 3.9), "y_600mf": (0.6, 6.1, 4.3), "y_800mf": (0.8, 6.3, 5.2),
    "y_1_6gf": (1.6, 11.2, 8.0), "y_3_2gf": (3.2, 19.4, 11.3), "y_4gf": (4.0, 20.6, 12.3), "y_6_4gf": (6.4, 30.6, 16.4),
    "y_8gf": (8.0, 39.2, 18.0), "y_12gf": (12.1, 51.8, 21.4), "y_16gf": (15.9, 83.6, 23.0),
    "y_32gf": (32.3, 145.0, 30.3),
}  # fmt: skip


@pytest.mark.parametrize("name", FIG15_16)
def test_fig_15_and_16_print_these_figures(name: str) -> None:
    paper = f"regnet_{name}_paper"
    total = of(paper if paper in NAMES else f"regnet_{name}")
    found = total.macs / 1e9, total.params / 1e6, total.conv_activations / 1e6
    assert tuple(round(figure, 1) for figure in found) == FIG15_16[name]


def test_the_list_of_top_models_is_whole_and_has_four_stages_each() -> None:
    assert list(regnet.TOP) == list(FIG15_16)
    assert {len(stages(name)) for name in NAMES} == {4}
    assert stages("regnet_x_400mf_paper") == [(1, 32), (2, 64), (7, 160), (12, 384)]


def test_torchvisions_rounding_changes_three_nets_and_no_other() -> None:
    for name in LIBRARY:
        same = trace(network(name)).weights == trace(network(name, rounding="nearest")).weights
        assert same == (f"{name}_paper" not in NAMES), name


def test_eq_2_to_4_are_torchvisions_over_the_design_space() -> None:
    draw = random.Random(0)
    for _ in range(200):
        w_0, depth, group = 8 * draw.randint(2, 32), draw.randint(4, 40), 8 * draw.randint(1, 16)
        w_a, w_m, bottleneck = round(draw.uniform(8, 256), 2), round(draw.uniform(1.5, 3), 2), draw.choice((0.5, 1, 2))
        theirs = tv.BlockParams.from_init_params(depth, w_0, w_a, w_m, group, bottleneck)
        runs = Counter(regnet.widths(w_0, w_a, w_m, depth))
        found = [regnet.fitted(width, group, bottleneck) for width in runs]
        assert (found, list(runs.values())) == (
            list(zip(theirs.widths, theirs.group_widths, strict=True)), theirs.depths
        ), (w_0, w_a, w_m, depth)  # fmt: skip


def test_exact_published_counts_are_ours(published: Published) -> None:
    seen = set()
    known = {f"torchvision/{name}": name for name in LIBRARY} | {
        f"timm/{timm_name(name)}": name for name in NAMES if name != "regnet_y_128gf"
    }
    for row in published:
        name = known.get(row["variant"].split(".")[0])
        if name is None or not row["params_exact"]:
            continue
        total = cost(trace(network(name), int(row["input_size"])))
        assert (str(total.params), str(total.macs)) == (row["params_exact"], row["macs_exact"]), row["variant"]
        assert str(sum(layer.macs > 0 for layer in total.layers)) == row["conv_fc_modules"]
        seen.add(name)
    assert seen == set(NAMES)


def test_options_change_what_they_say_and_what_cannot_be_is_refused() -> None:
    rows = {r.path: r.out.channels for r in trace(network("regnet_x_200mf", reduction=8, bottleneck=0.5, stem=16)).rows}
    block = "trunk_output.block2.block2-0.f"
    assert [rows[p] for p in ("stem.0", f"{block}.se.fc1", f"{block}.b.0", f"{block}.c.0")] == [16, 4, 32, 64]
    for options, message in (
        ({"w_0": 20}, "w_0 is a multiple of 8"), ({"w_m": 1}, "w_m > 1"), ({"reduction": -1}, "reduction >= 0"),
        ({"rounding": "up"}, "rounding is 'guarded' or 'nearest'"),
    ):  # fmt: skip
        with pytest.raises(SpecError, match=message):
            network("regnet_x_200mf", **options)
