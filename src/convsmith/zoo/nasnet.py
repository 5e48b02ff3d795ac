"""NASNet-A: Zoph, Vasudevan, Shlens & Le 2018, "Learning transferable architectures for scalable image recognition",
Figs. 2 and 4, Tables 1 to 3 (arXiv:1707.07012). `N @ F` is N normal cells a stage and F maps before the classifier.

`nasnetalarge` (6 @ 4032; 88,753,150 parameters) is timm's, for the authors' weights; timm's means of stride 2 count
padded zeros. `nasnet_a_mobile` (4 @ 1056; 5,289,978) and `nasnet_a_cifar` (6 @ 768; 3,346,538) are the paper's; what
it leaves open is as in the authors' code (TensorFlow's research/slim/nets/nasnet): normalisation, padding, dropout,
the stems, the auxiliary head, and how inputs of another size or width are fitted. The paper schedules DropPath over
training; `drop_path` here is constant, and 0 unless asked for.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Literal

from convsmith.spec import (
    AvgPool,
    Cell,
    Chain,
    Conv,
    Dropout,
    Flatten,
    Identity,
    Linear,
    Node,
    Norm,
    PoolTo,
    Relu,
    Seq,
    Shift,
    SpecError,
    Step,
    Tap,
)
from convsmith.zoo.blocks import conv
from convsmith.zoo.genotype import Genotype, Source, operation
from convsmith.zoo.variant import Variant

Before = Literal["same", "larger", "none"]
"""The size of h_i-1 beside h_i."""

# Fig. 4, NASNet-A; `out` as in the authors' code (the notation's F is 6 sources of 4 times the first cells' width)
NORMAL = Genotype(
    combinations=(
        (("sep 5x5", "h"), ("sep 3x3", "before")),
        (("sep 5x5", "before"), ("sep 3x3", "before")),
        (("avg 3x3", "h"), ("identity", "before")),
        (("avg 3x3", "before"), ("avg 3x3", "before")),
        (("sep 3x3", "h"), ("identity", "h")),
    ),
    out=("before", 0, 1, 2, 3, 4),
)
REDUCTION = Genotype(
    combinations=(
        (("sep 5x5", "h"), ("sep 7x7", "before")),
        (("max 3x3", "h"), ("sep 7x7", "before")),
        (("avg 3x3", "h"), ("sep 5x5", "before")),
        (("identity", 1), ("avg 3x3", 0)),
        (("sep 3x3", 0), ("max 3x3", "h")),
    ),
    out=(1, 2, 3, 4),
)


def halved(source: str, width: int, norm: Norm) -> dict[str, Step]:
    """norm(concat(1x1(every second pixel), 1x1(every second pixel from the other corner on)))."""
    pixels = AvgPool(1, 2)
    return {
        "path_1": Step(Seq(avgpool=pixels, conv=conv(width // 2)), source),
        "path_2": Step(Seq(pad=Shift(1), avgpool=pixels, conv=conv(width - width // 2)), source),
        "final_path_bn": Step(norm, "path_1", "path_2", join="concat"),
    }


def cell(
    genes: Genotype, width: int, stride: int, before: Before, *,
    norm: Norm, zeros: bool, drop: float = 0.0,
) -> Cell:  # fmt: skip
    """concat(op(a) + op(b), ...): Fig. 4, with h_i and h_i-1 squeezed to `width` maps by norm(1x1(relu(x))).

    A `larger` h_i-1 is halved, and where there is `none` h_i stands in for it as it is (authors' code).
    """
    squeeze, steps = Seq(act=Relu, conv=conv(width), bn=norm), dict[str, Step]()
    at: dict[Source, str] = {"h": "conv_1x1", "before": "h"}
    if before == "same":
        at["before"] = "conv_prev_1x1"
        steps["conv_prev_1x1"] = Step(squeeze, "before")
    steps["conv_1x1"] = Step(squeeze, "h")
    if before == "larger":
        at["before"] = "final_path_bn"
        steps |= {"act": Step(Relu, "before")} | halved("act", width, norm)
    for i, pair in enumerate(genes.combinations):
        ends = []
        for side, (name, source) in zip(("left", "right"), pair, strict=True):
            node = operation(
                name, width, 1 if isinstance(source, int) else stride, at[source] != "h",
                norm=norm, zeros=zeros, drop=drop,
            )  # fmt: skip
            ends.append(at[source] if node is Identity else f"comb_iter_{i}_{side}")
            if node is not Identity:
                steps[ends[-1]] = Step(node, at[source])
        at[i] = f"comb_iter_{i}"
        steps[at[i]] = Step(Identity, *ends)
    half = Cell(("x",), out=("final_path_bn",), **halved("x", width, norm))
    same = Seq(path_conv=conv(width), path_bn=norm)
    out = []
    for source in genes.out:
        larger = stride > 1 and not isinstance(source, int)
        out.append(f"reduction_{source}" if larger or at[source] == "h" else at[source])
        if out[-1] not in steps:
            steps[out[-1]] = Step(half if larger else same, at[source])
    return Cell(("h",) if before == "none" else ("h", "before"), out=tuple(out), **steps)


def auxiliary(classes: int, norm: Norm) -> Node:
    """linear(relu(norm(linear(relu(norm(1x1(mean5x5(relu(x)))))))), a further output (authors' code)."""
    return Tap(Seq(
        act=Relu, pool=AvgPool(5, 3), proj=conv(128), aux_bn0=norm, act0=Relu, flatten=Flatten,
        full=Linear(768, bias=False), aux_bn1=norm, act1=Relu, fc=Linear(classes),
    ))  # fmt: skip


def nasnet(
    classes: int = 1000, cells: int = 6, filters: int = 4032, stem: int = 96, *, stem_cells: int = 2,
    skip: bool = False, zeros: bool = False, aux: bool = False, rate: float = 0.5, drop_path: float = 0.0,
    eps: float = 1e-3, momentum: float = 3e-4, normal: Genotype = NORMAL, reduction: Genotype = REDUCTION,
) -> Node:  # fmt: skip
    """Fig. 2: `cells` normal cells a stage, between reduction cells that double the width, up to `filters` maps.

    `skip` has a reduction cell's successor read the cell two before it, `zeros` counts padding in means of stride 2,
    `drop_path` is that of the last cell, from which it falls linearly to the first. `stem_cells` 0 is CIFAR's stem.
    """
    unit = 4 * len(normal.out)
    least = unit << stem_cells
    if not unit or cells < 1 or filters < least or filters % unit:
        raise SpecError(f"nasnet: cells start at 1 and filters at {least} in steps of {unit}, got {cells} @ {filters}")
    width, norm = filters // unit, Norm(eps, momentum)
    plan = [(f"cell_stem_{i}", reduction, width >> stem_cells - i, 2) for i in range(stem_cells)]
    for stage in range(3):
        plan += [(f"reduction_cell_{stage - 1}", reduction, width << stage, 2)] if stage else []
        plan += [(f"cell_{stage * cells + i}", normal, width << stage, 1) for i in range(cells)]
    first = Conv(stem, 3, 2, pad=0, bias=False) if stem_cells else conv(stem, 3)
    steps = {"conv0": Step(Seq(conv=first, bn=norm), "x")}
    made = cache(partial(cell, norm=norm, zeros=zeros))  # equal cells are one value
    ends = [("conv0", 0)]  # the cells' outputs, and how often each was halved
    for i, (name, genes, maps, stride) in enumerate(plan):
        (h, halvings), drop = ends[-1], drop_path * (i + 1) / len(plan)
        before, at = ends[-3 if skip and h.startswith("reduction") else -2] if i else ("", 0)
        kind: Before = "none" if not i else "same" if at == halvings else "larger"
        steps[name] = Step(made(genes, maps, stride, kind, drop=drop), h, *([before] if i else []))
        ends.append((name, halvings + stride - 1))
        if aux and name == f"cell_{2 * cells - 1}":
            steps["AuxLogits"] = Step(auxiliary(classes, norm), name)
            ends[-1] = ("AuxLogits", halvings)
    head = Seq(act=Relu, global_pool=PoolTo(1), flatten=Flatten, head_drop=Dropout(rate), last_linear=Linear(classes))
    return Chain(Cell(("x",), out=(ends[-1][0],), **steps), head)


PAPER = "Zoph et al. 2018, Learning transferable architectures for scalable image recognition (arXiv:1707.07012)"
INIT = (
    "initial weights: the authors' code draws truncated normals of variance 2 / fan_out (k^2 for a k x k depthwise "
    "kernel); here it is 2 / fan_in, equal where as many maps enter as leave. DropPath, if asked for, is not scheduled"
)

VARIANTS = {
    "nasnetalarge": Variant(
        nasnet, {"skip": True, "zeros": True, "rate": 0.0, "momentum": 0.1},
        side=331, provenance="timm", paper=PAPER, year=2017,
        departs="means of stride 2 count padded zeros, which the authors' do not; momentum 0.1, no dropout, "
        "no auxiliary head, torch's default initial weights",
        remarks=("Table 2's 88.9 M parameters are those and the moving means and variances: 88,949,818",),
    ),
    "nasnet_a_mobile": Variant(
        nasnet, {"cells": 4, "filters": 1056, "stem": 32}, paper=PAPER, year=2017, init="he_fan_in", departs=INIT,
    ),
    "nasnet_a_cifar": Variant(
        nasnet, {"filters": 768, "stem_cells": 0, "rate": 0.0, "eps": 1e-5, "momentum": 0.1},
        side=32, classes=10, paper=PAPER, year=2017, init="he_fan_in", departs=INIT,
    ),
}  # fmt: skip
