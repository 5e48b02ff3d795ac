"""What every variant says of itself, and that it agrees with torchvision's and other published counts."""

from __future__ import annotations

import pytest
import torch
from torchvision import models

from convsmith import build, cost, names, spec, trace
from convsmith.spec import SpecError, content_hash
from convsmith.zoo import PAPERS, VARIANTS, alexnet, lenet, resnet, resnet_cifar, variant, vgg

from .twins import Published

# the first papers; the later ones have files of their own
FIRST = [
    "lenet5", "lenet5_1998", "alexnet_2012", "alexnet_single", "alexnet", "vgg_a", "vgg_a_lrn", "vgg_b", "vgg_c",
    "vgg_d", "vgg_e", "vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn",
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet18_paper", "resnet34_paper",
    "resnet50_paper", "resnet101_paper", "resnet152_paper", "plain18", "plain34", "resnet20", "resnet32",
    "resnet44", "resnet56", "resnet110", "resnet1202", "plain20", "plain32", "plain44", "plain56", "plain110",
    "plain1202",
]  # fmt: skip

TORCHVISION = [name for name in FIRST if variant(name).provenance == "torchvision"]


def test_the_first_papers_have_these_names() -> None:
    assert [name for paper in (lenet, alexnet, vgg, resnet, resnet_cifar) for name in paper.VARIANTS] == FIRST


def test_every_name_is_one_papers_alone() -> None:
    assert len(names()) == len(set(names())) == len(VARIANTS) == 205


def test_a_pattern_picks_names() -> None:
    assert names("vgg1?") == ("vgg11", "vgg13", "vgg16", "vgg19")
    assert names("*_1998") == ("lenet5_1998",)
    assert names("Resnet*") == ()


@pytest.mark.parametrize("name", names())
def test_a_variant_says_whose_it_is_and_from_where(name: str) -> None:
    found = variant(name)
    assert found.provenance in ("paper", "torchvision", "timm")
    assert found.paper
    assert any(f" {year}" in found.paper for year in (found.year, found.year + 1))  # printed a year after arXiv
    assert found.weights is None or (found.provenance == "torchvision" and hasattr(models, found.weights))
    network = spec(name)
    assert (network.name, network.provenance, network.init) == (name, found.provenance, found.init)
    graph = trace(network)
    assert graph.input.shape == (found.channels, found.side, found.side)
    if not found.part:
        assert graph.rows[graph.output].out.shape == (network.classes,)
        assert trace(spec(name, classes=7)).rows[graph.output].out.shape == (7,)


def test_no_two_variants_are_the_same_network() -> None:
    same: dict[str, list[str]] = {}
    for name in names():
        same.setdefault(content_hash(spec(name)), []).append(name)
    assert [group for group in same.values() if len(group) > 1] == []


def test_other_options_make_it_your_own_and_the_same_ones_do_not() -> None:
    assert spec("resnet34", shortcut="C").provenance == "own"
    assert spec("resnet34", depth=34, classes=10).provenance == "torchvision"


def test_papers_come_in_the_order_of_history() -> None:
    assert PAPERS[-1] == "layers"  # no paper, and of many years
    years = [min(found.year for found in VARIANTS.of(paper).values()) for paper in PAPERS[:-1]]
    assert years == sorted(years)


@pytest.mark.parametrize("name", TORCHVISION)
def test_shapes_are_torchvisions_at_odd_sides_too(name: str) -> None:
    with torch.device("meta"):
        theirs = models.get_model(name).eval()
    rows = {row.path: row.out.shape for row in trace(name, (75, 109)).rows}
    seen: dict[str, tuple[int, ...]] = {}
    for path, module in theirs.named_modules():
        if (
            path in rows and not list(module.children()) and not isinstance(module, torch.nn.ReLU)
        ):  # one ReLU runs often
            module.register_forward_hook(lambda _m, _i, out, path=path: seen.update({path: tuple(out.shape[1:])}))
    theirs(torch.empty(1, 3, 75, 109, device="meta"))
    assert len(seen) >= 13
    assert seen == {path: rows[path] for path in seen}


# our name (and options) -> the row of published.csv
ROWS: dict[str, tuple[str, dict[str, object], str]] = {
    row: (name, options, row)
    for name, options, row in [
        ("lenet5", {}, "LeNet-5 (full C3, 32x32 input, pooling without weights)"),
        ("alexnet_2012", {}, "AlexNet (2 towers, grouped conv2/4/5)"),
        ("alexnet_single", {}, "AlexNet (single tower, ungrouped, 96-256-384-384-256)"),
        *[(f"resnet{d}", {}, f"ResNet-{d} (option A)") for d in (20, 32, 44, 56, 110, 1202)],
        *[(name, {}, f"torchvision/{name}.IMAGENET1K_V1") for name in TORCHVISION],
        *[(f"vgg{d}", {}, f"imgclsmob/vgg{d}") for d in (11, 13, 16, 19)],
        *[(f"vgg{d}_bn", {}, f"imgclsmob/bn_vgg{d}b") for d in (11, 13, 16, 19)],
        *[(f"resnet{d}", {}, f"imgclsmob/resnet{d}") for d in (18, 34)],
        *[(f"resnet{d}_paper", {}, f"imgclsmob/resnet{d}") for d in (50, 101, 152)],
        *[(f"resnet{d}", {}, f"imgclsmob/resnet{d}b") for d in (50, 101, 152)],
        *[(f"resnet{d}", {"shortcut": "B"}, f"imgclsmob/resnet{d}_cifar10") for d in (20, 56, 110)],
        *[(f"resnet{d}", {"shortcut": "B", "classes": 100}, f"imgclsmob/resnet{d}_cifar100") for d in (20, 56, 110)],
        ("alexnet", {}, "imgclsmob/alexnetb"),
    ]
}


@pytest.mark.parametrize("row", ROWS)
def test_exact_published_counts_are_ours(row: str, published: Published) -> None:
    name, options, variant_name = ROWS[row]
    (found,) = [line for line in published if line["variant"] == variant_name]
    total = cost(trace(spec(name, **options)))
    assert found["params_exact"]
    assert found["macs_exact"]
    assert (total.params, total.macs) == (int(found["params_exact"]), int(found["macs_exact"]))
    if found["conv_fc_modules"]:
        assert sum(r.category in ("convolution", "linear") for r in total.layers) == int(found["conv_fc_modules"])


def test_a_variant_builds_with_its_own_initialisation() -> None:
    from convsmith.nn import INITS

    assert {variant(name).init for name in names()} <= set(INITS)
    assert build("lenet5", seed=0)(torch.zeros(1, 1, 32, 32)).shape == (1, 10)


def test_a_vgg_without_hidden_layers_and_a_narrow_one_trace() -> None:
    assert cost(trace(spec("vgg11", width=0.25, hidden=64, classes=10))).params < 10**6
    with pytest.raises(SpecError, match="linear: out"):
        spec("vgg11", hidden=-1)
