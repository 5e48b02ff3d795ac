"""NASNet-A: a mobile net made of timm's cells, CIFAR's first cell by hand, Tables 1 to 3, other cells."""

from __future__ import annotations

import inspect
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convsmith import build, cost, trace
from convsmith.spec import AvgPool, Dropout, DropPath, Network, Norm, SpecError
from convsmith.zoo import nasnet
from convsmith.zoo.genotype import OPERATIONS, Genotype

from .twins import Published, alike, assert_costs, built, gap, lively, logits_differ, on_meta, shapes

layers = pytest.importorskip("timm.layers", reason="timm's cells are the reference")
cells = pytest.importorskip("timm.models.nasnet", reason="timm's cells are the reference")
pytestmark = pytest.mark.usefixtures("one_thread")

# parameters, moving means and variances, multiply-adds
COUNTS = {
    "nasnetalarge": (88_753_150, 196_668, 23_783_414_658),
    "nasnet_a_mobile": (5_289_978, 36_738, 563_638_816),
    "nasnet_a_cifar": (3_346_538, 37_248, 544_333_312),
}


def network(name: str, classes: int | None = None, **options: Any) -> Network:
    return nasnet.VARIANTS[name].network(name, classes, **options)


class Mobile(nn.ModuleDict):
    """timm's cells wired as the authors' mobile net: 4 a stage, 44 maps, the second input always one cell back."""

    def __init__(self, classes: int = 1000) -> None:
        norm = partial(nn.BatchNorm2d, eps=1e-3)
        super().__init__({
            "conv0": layers.ConvNormAct(3, 32, 3, stride=2, padding=0, norm_layer=norm, apply_act=False),
            "cell_stem_0": cells.CellStem0(32, 11, "same"), "cell_stem_1": cells.CellStem1(32, 22, "same"),
        })  # fmt: skip
        before, here = 44, 88
        for stage, width in enumerate((44, 88, 176)):
            if stage:
                self[f"reduction_cell_{stage - 1}"] = cells.ReductionCell0(before, width, here, width, "same")
                before, here = here, 4 * width
            for i in range(4):
                left = width if i else width // 2
                kind = cells.NormalCell if i else cells.FirstCell
                self[f"cell_{4 * stage + i}"] = kind(before, left, here, width, "same")
                before, here = here, 6 * width
        self["last_linear"] = nn.Linear(here, classes)

    def forward(self, x: Tensor) -> Tensor:
        first, zero, one, *names, last = self
        x = self[first](x)
        ends = [self[zero](x)]
        ends.append(self[one](x, ends[0]))
        for name in names:
            ends.append(self[name](ends[-1], ends[-2]))
        logits: Tensor = self[last](F.relu(ends[-1]).mean((2, 3)))
        return logits


def mobile() -> nn.Module:
    with on_meta():
        return Mobile().eval()


def test_the_mobile_nets_keys_and_counts_are_timms_in_the_same_order(macs_of: Callable[..., int]) -> None:
    """Keras counts the same 5,289,978; pretrainedmodels 0.7.4 and pytorchcv 0.0.74 do, when run."""
    ours, theirs = built("nasnet_a_mobile"), mobile()
    assert list(ours.graph.weights.items()) == list(shapes(ours).items()) == list(shapes(theirs).items())
    assert [k for k, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    assert_costs(ours, theirs, macs_of)


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    graph = trace(network(name))
    total, statistics = cost(graph), sum(shape[0] for key, shape in graph.weights.items() if "running" in key)
    assert (total.params, statistics, total.macs) == COUNTS[name]


def test_the_mobile_nets_logits_are_those_of_timms_cells() -> None:
    """If its means count padding at stride 2, as timm's do."""
    ours, theirs = built("nasnet_a_mobile", zeros=True), mobile()
    alike(ours, theirs)
    assert logits_differ(ours, theirs, (40, 40), (51, 70)) <= 1e-9


def test_normalisation_pooling_and_dropout() -> None:
    nodes = {name: [row.node for row in trace(network(name)).rows] for name in COUNTS}
    norms = {name: {(n.eps, n.momentum) for n in found if isinstance(n, Norm)} for name, found in nodes.items()}
    assert norms["nasnetalarge"] == {(1e-3, 0.1)}
    # the authors' argument scopes: decay 0.9997 and 1e-3 on ImageNet, 0.9 and 1e-5 on CIFAR-10; keep 0.5 and 1.0
    assert (norms["nasnet_a_mobile"], norms["nasnet_a_cifar"]) == ({(1e-3, 3e-4)}, {(1e-5, 0.1)})
    rates = [[n.rate for n in found if isinstance(n, Dropout | DropPath)] for found in nodes.values()]
    assert rates == [[0.0], [0.5], [0.0]]
    for name, found in nodes.items():  # TensorFlow's means never count padding, timm's do at stride 2
        means = {(n.stride, n.count_pad) for n in found if isinstance(n, AvgPool) and n.kernel == 3}
        assert means == {(1, False), (2, name == "nasnetalarge")}


def printed(thousandths: int, digits: int) -> float:
    return round(thousandths / 1e6, digits)


def test_tables_1_to_3() -> None:
    """Table 1: 6 @ 768 has 3.3 M. Table 2: 6 @ 4032 has 88.9 M (with moving statistics; 88.8 without) and 23.8 B at
    331 pixels. Table 3: 4 @ 1056 has 5.3 M and 564 M at 224 pixels."""
    (large, kept, wide), (mobile, _, narrow), (cifar, *_) = COUNTS.values()
    assert (printed(cifar, 1), printed(large + kept, 1), printed(large, 1)) == (3.3, 88.9, 88.8)
    assert (printed(mobile, 1), printed(narrow, 0), round(wide / 1e9, 1)) == (5.3, 564, 23.8)
    assert [n for n, *_ in COUNTS.values() if f"{n:,}" not in (inspect.getdoc(nasnet) or "")] == []


def test_published_counts_are_ours(published: Published) -> None:
    lines = {line["variant"]: line for line in published}
    exact = lines["timm/nasnetalarge.tf_in1k"]
    assert (exact["params_exact"], exact["macs_exact"]) == tuple(str(COUNTS["nasnetalarge"][i]) for i in (0, 2))
    ours = {name: trace(network(name)).rows for name in COUNTS}
    for row, name in (("nasnet_4a1056", "nasnet_a_mobile"), ("nasnet_6a4032", "nasnetalarge")):
        other = lines[f"imgclsmob/{row}"]  # it pads before striding and cuts afterwards: up to 1 % more multiply-adds
        assert other["params_exact"] == str(COUNTS[name][0])
        assert 1 < int(other["macs_exact"]) / COUNTS[name][2] < 1.01
        assert other["conv_fc_modules"] == str(sum(r.kind in ("conv", "linear") for r in ours[name]))
    for row, name in (("6 @ 4032", "nasnetalarge"), ("4 @ 1056", "nasnet_a_mobile")):
        told = lines[f"NASNet-A ({row})"]
        assert int(told["params_published"]) == pytest.approx(COUNTS[name][0], rel=0.003)
        assert int(told["macs_published"]) == pytest.approx(COUNTS[name][2], rel=0.001)


# the shapes that the authors' tests demand (nasnet_test.py): stem, a cell of each stage, the reductions
SHAPES = {
    "nasnetalarge": ((42, 336), (42, 1008), (21, 1344), (21, 2016), (11, 2688), (11, 4032)),
    "nasnet_a_mobile": ((28, 88), (28, 264), (14, 352), (14, 528), (7, 704), (7, 1056)),
    "nasnet_a_cifar": ((32, 96), (32, 192), (16, 256), (16, 384), (8, 512), (8, 768)),
}


@pytest.mark.parametrize("name", COUNTS)
def test_end_points_are_the_authors(name: str) -> None:
    outs = {row.path.split(".")[0]: (row.out.rows, row.out.channels) for row in trace(network(name)).rows}
    n = 4 if name == "nasnet_a_mobile" else 6
    found = [outs["conv0" if n == 6 and "cell_stem_1" not in outs else "cell_stem_1"]]
    for stage in range(3):
        found += [outs[f"reduction_cell_{stage - 1}"]] if stage else []
        assert len({outs[f"cell_{n * stage + i}"] for i in range(n)}) == 1
        found.append(outs[f"cell_{n * stage}"])
    assert tuple(found) == SHAPES[name]
    assert f"cell_{3 * n}" not in outs


def test_cifars_first_cell_takes_the_stem_as_it_is() -> None:
    """No h_i-1 yet: h_i unsqueezed stands in, with 1x1 where its 96 maps do not fit (authors' nasnet_utils.py)."""
    net = built("nasnet_a_cifar")
    net.load_state_dict(lively(net), assign=True)
    draw = torch.Generator().manual_seed(3)
    weights, h = net.cell_0.state_dict(), torch.randn(2, 96, 9, 12, generator=draw, dtype=torch.float64)  # type: ignore[union-attr]

    def norm(x: Tensor, key: str) -> Tensor:
        mean, var, scale, shift = (weights[f"{key}.{w}"] for w in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, scale, shift, eps=1e-5)

    def conv(x: Tensor, key: str, groups: int = 1) -> Tensor:
        weight = weights[f"{key}.weight"]
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=groups)

    def sep(x: Tensor, key: str) -> Tensor:
        for i in ("1", "2"):
            x = conv(F.relu(x), f"{key}.separable_{i}.depthwise_conv2d", groups=x.shape[1])
            x = norm(conv(x, f"{key}.separable_{i}.pointwise_conv2d"), f"{key}.bn_sep_{i}")
        return x

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    left, right = ([f"comb_iter_{i}_{side}" for i in range(5)] for side in ("left", "right"))
    a = norm(conv(F.relu(h), "conv_1x1.conv"), "conv_1x1.bn")
    wanted = (
        norm(conv(h, "reduction_before.path_conv"), "reduction_before.path_bn"),
        sep(a, left[0]) + sep(h, right[0]),
        sep(h, left[1]) + sep(h, right[1]),
        mean(a) + norm(conv(F.relu(h), f"{right[2]}.conv"), f"{right[2]}.bn"),
        sum(norm(conv(mean(h), f"{key}.conv"), f"{key}.bn") for key in (left[3], right[3])),
        sep(a, left[4]) + a,
    )
    with torch.no_grad():
        assert gap(net.cell_0(h), torch.cat(wanted, 1)) <= 1e-12  # type: ignore[operator,arg-type]
    kernels = {int(weights[f"{left[i]}.separable_1.depthwise_conv2d.weight"].shape[-1]) for i in (0, 1)}
    assert kernels == {5}


def test_a_reduction_cells_successor_reads_one_or_two_cells_back() -> None:
    for name, cell, back in (("nasnetalarge", "cell_6", "cell_4"), ("nasnet_a_cifar", "cell_6", "cell_5")):
        rows = trace(network(name)).rows
        read = {rows[i].path.split(".")[0] for row in rows if row.path.startswith(f"{cell}.") for i in row.inputs}
        assert read - {cell} == {"reduction_cell_0", back}


@pytest.mark.parametrize(
    ("name", "cell", "maps"), [("nasnetalarge", 11, 6), ("nasnet_a_mobile", 7, 4), ("nasnet_a_cifar", 11, 4)]
)
def test_the_auxiliary_head_stands_before_the_second_reduction(name: str, cell: int, maps: int) -> None:
    graph, bare = trace(network(name, aux=True)), trace(network(name))
    total, classes = cost(graph), network(name).classes
    assert (total.params, total.macs) == COUNTS[name][::2]
    assert {k: s for k, s in graph.weights.items() if "AuxLogits" not in k} == bare.weights
    entering, spanned = SHAPES[name][3][1], 128 * maps * maps  # the authors' 768 maps span what the pooling leaves
    weights = 128 * entering + 768 * spanned + 2 * (128 + 768) + (768 + 1) * classes
    assert sum(row.params for row in total.aux) == weights
    first = next(row for row in graph.rows if row.tap)
    assert graph.rows[first.inputs[0]].path == f"cell_{cell}.concat"
    net = build(network("nasnet_a_cifar", aux=True, filters=96, stem=8))
    assert list(net.train()(torch.zeros(2, 3, 32, 32))) == ["logits", "AuxLogits"]


def test_drop_path_rises_with_the_cells_and_spares_identities() -> None:
    rows = trace(network("nasnet_a_mobile", drop_path=0.32)).rows
    drops = [(row.path.split(".")[0], row.node.rate) for row in rows if isinstance(row.node, DropPath)]
    assert list(Counter(name for name, _ in drops).values()) == [9, 9, *[8] * 4, 9, *[8] * 4, 9, *[8] * 4]
    rates = list(dict(drops).values())
    assert rates[0] == pytest.approx(0.02)
    assert rates[-1] == pytest.approx(0.32)
    assert {round(b - a, 9) for a, b in pairwise(rates)} == {0.02}
    assert list(built("nasnet_a_mobile", drop_path=0.1).state_dict()) == list(mobile().state_dict())


def mutant(draw: random.Random) -> Genotype:
    """A cell of the search space (section 3.1): what no combination reads is put out."""
    pairs: list[Any] = [
        tuple((draw.choice([*OPERATIONS]), draw.choice(["h", "before", *range(i)])) for _ in "ab") for i in range(5)
    ]
    read = {source for pair in pairs for _, source in pair}
    return Genotype(tuple(pairs), tuple(s for s in ("h", "before", *range(5)) if s not in read))


def test_other_cells_make_networks_too() -> None:
    draw = random.Random(1)
    for _ in range(12):
        normal, reduction = mutant(draw), mutant(draw)
        options = {"normal": normal, "reduction": reduction, "filters": 32 * len(normal.out), "cells": 1}
        for name in ("nasnetalarge", "nasnet_a_cifar"):
            other = network(name, 5, **options)
            rows = trace(other, 64).rows
            assert (rows[-1].out.shape, other.provenance) == ((5,), "own")
            outs = {row.path.split(".")[0]: (row.out.rows, row.out.channels) for row in rows}
            assert outs["cell_2"] == (outs["reduction_cell_1"][0], 32 * len(normal.out))
    assert build(other)(torch.zeros(1, 3, 64, 64)).shape == (1, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filters": 4000}, "filters at 96 in steps of 24, got 6 @ 4000"),
        ({"filters": 72}, "filters at 96 in steps"),
        ({"cells": 0}, "cells start at 1"),
    ],
)
def test_refuses_what_is_no_nasnet(change: dict[str, int], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        network("nasnetalarge", **change)


def test_a_genotype_refuses_unknown_operations_and_sources() -> None:
    pair: Any = (("sep 5x5", "h"), ("sep 3x3", "before"))
    with pytest.raises(SpecError, match="no operation 'sep 4x4'; did you mean 'sep"):
        Genotype(((("sep 4x4", "h"), pair[1]),), (0,))
    with pytest.raises(SpecError, match="1 is neither 'h', 'before' nor an earlier combination"):
        Genotype((pair, (("identity", 1), ("identity", 0))), (1,))
    with pytest.raises(SpecError, match="2 is neither"):
        Genotype((pair, pair), (0, 1, 2))
