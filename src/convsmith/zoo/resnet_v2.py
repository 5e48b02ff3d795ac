"""ResNet v2: He, Zhang, Ren & Sun 2016, "Identity mappings in deep residual networks", Fig. 4 (arXiv:1603.05027).

`resnetv2_50`, `resnetv2_101`, `resnetv2_152` are timm's: stride in a bottleneck's 3x3, and the first activation after
the stem's pooling. `resnetv2_152_paper` and `resnetv2_200` (Table 5) stride in the first 1x1 and activate right after
conv1 (appendix). `resnetv2_110`, `resnetv2_164` and `resnetv2_1001` are the CIFAR nets. `order` is one of Fig. 4's
five places for normalisation and activation. A unit that changes channels projects by a 1x1, from the activated signal
where activation comes first (as the authors' code resnet-1k-layers does); in orders a and c a Norm follows that 1x1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from convsmith.spec import Chain, Conv, Flatten, Identity, Node, Norm, Pool, PoolTo, Relu, Residual, Seq, SpecError
from convsmith.zoo.blocks import conv
from convsmith.zoo.variant import Variant

Start = Literal["own", "shared", "stem"]
Convs = Callable[[int, int], list[Conv]]

# Fig. 4: order -> before each weight layer, after each weight layer, of which after the addition (N norm, R relu)
FIG4 = {
    "a": ("", "NR", "R"),  # original
    "b": ("", "NR", "NR"),  # BN after addition
    "c": ("", "NR", ""),  # ReLU before addition
    "d": ("R", "N", ""),  # ReLU-only pre-activation
    "e": ("NR", "", ""),  # full pre-activation
}
# ResNet's Table 1 with Table 5's deepest: depth -> bottlenecks in conv2_x ... conv5_x
TABLE5 = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}


def named(letters: str, index: int | str = "") -> dict[str, Node]:
    """Norm and ReLU by their letters, as children with this index in their names."""
    parts: dict[str, tuple[str, Node]] = {"N": ("norm", Norm()), "R": ("relu", Relu)}
    return {f"{parts[letter][0]}{index}": parts[letter][1] for letter in letters}


def unit(convs: list[Conv], order: str = "e", stride: int = 1, project: bool = False, start: Start = "own") -> Node:
    """x + f(x), f = BN, ReLU before each of `convs` (order "e"; FIG4 has five).

    `project` makes the shortcut a 1x1. `start` says where the unit's first activation stands: "own" on the branch
    alone, "shared" before the shortcut leaves it, "stem" in the stem.
    """
    if order not in FIG4:
        raise SpecError(f"resnet_v2: order is one of {', '.join(FIG4)} (Fig. 4), got {order!r}")
    before, after, late = FIG4[order]
    layers: dict[str, Node] = {}
    for i, layer in enumerate(convs, 1):
        own = before if i > 1 or start == "own" else ""
        layers |= named(own, i) | {f"conv{i}": layer} | named(after.removesuffix(late) if i == len(convs) else after, i)
    norm: dict[str, Node] = {"norm": Norm()} if order in "ac" else {}
    path = Seq(downsample=Seq(conv=conv(convs[-1].out, 1, stride), **norm)) if project else None
    last = Seq(**named(late, len(convs))) if late else Identity
    added = Residual(Seq(**layers), path, after=last, when="always" if project else "needed")
    return Chain(Seq(**named(before, 1)), added) if start == "shared" and before else added


def basic(width: int, stride: int = 1) -> list[Conv]:
    """3x3, 3x3."""
    return [conv(width, 3, stride), conv(width, 3)]


def bottleneck(width: int, stride: int = 1, stride_in: str = "1x1") -> list[Conv]:
    """1x1, 3x3, 1x1 with four times the channels at the end."""
    ones, threes = (stride, 1) if stride_in == "1x1" else (1, stride)
    return [conv(width, 1, ones), conv(width, 3, threes), conv(4 * width)]


def stages(convs: Convs, repeats: tuple[int, ...], order: str, project: bool, start: Start) -> Seq:
    """Stages of units of `convs(times, stride)`, times = 1, 2, 4, ...; `project` and `start` are the very first's."""

    def opening(i: int) -> Node:
        return unit(convs(2**i, 2 if i else 1), order, 2 if i else 1, project or i > 0, "shared" if i else start)

    return Seq(*[Seq(blocks=Seq(opening(i), *[unit(convs(2**i, 1), order)] * (n - 1))) for i, n in enumerate(repeats)])


def resnet_v2(
    classes: int = 1000, depth: int = 50, order: str = "e", stride_in: str = "3x3", pool_first: bool = True,
    width: int = 64,
) -> Node:  # fmt: skip
    """The ImageNet nets; `pool_first` pools before the first unit's activation instead of after it."""
    if depth not in TABLE5 or order not in FIG4 or stride_in not in ("3x3", "1x1"):
        raise SpecError(
            f"resnet_v2: depth is one of {list(TABLE5)}, order one of {', '.join(FIG4)} and stride_in '3x3' or '1x1', "
            f"got {depth}, {order!r}, {stride_in!r}"
        )
    before, after, _ = FIG4[order]
    body = stages(
        lambda times, stride: bottleneck(width * times, stride, stride_in), TABLE5[depth], order, True,
        "shared" if pool_first else "stem",
    )  # fmt: skip
    return Seq(
        stem=Seq(conv=conv(width, 7, 2), **named(after if pool_first else after + before), pool=Pool(3, 2, 1)),
        stages=body, **named(before), head=Seq(global_pool=PoolTo(1), fc=Conv(classes), flatten=Flatten),
    )  # fmt: skip


def resnet_v2_cifar(
    classes: int = 10, depth: int = 110, order: str = "e", block: Literal["basic", "bottleneck"] = "basic",
    stride_in: str = "1x1", width: int = 16,
) -> Node:  # fmt: skip
    """The CIFAR nets: conv3x3, three stages of (depth - 2) / 6 basic units, or of (depth - 2) / 9 bottlenecks."""
    layers = {"basic": 2, "bottleneck": 3}.get(block, 0)
    if not layers or order not in FIG4 or depth < 8 or (depth - 2) % (3 * layers):
        raise SpecError(
            f"resnet_v2_cifar: block is 'basic' with depth 6n + 2 or 'bottleneck' with depth 9n + 2, order one of "
            f"{', '.join(FIG4)}, got {block!r}, {depth}, {order!r}"
        )
    before, after, _ = FIG4[order]
    convs: Convs = lambda times, stride: (
        basic(width * times, stride) if block == "basic" else bottleneck(width * times, stride, stride_in)
    )
    return Seq(
        stem=Seq(conv=conv(width, 3), **named(after)),
        stages=stages(convs, ((depth - 2) // (3 * layers),) * 3, order, block == "bottleneck", "shared"),
        **named(before), head=Seq(global_pool=PoolTo(1), fc=Conv(classes), flatten=Flatten),
    )  # fmt: skip


PAPER = "He, Zhang, Ren & Sun 2016, Identity mappings in deep residual networks (arXiv:1603.05027)"
IN_PAPER = {"stride_in": "1x1", "pool_first": False}
VARIANTS = {
    f"resnetv2_{depth}": Variant(
        resnet_v2, {"depth": depth}, provenance="timm", paper=PAPER, year=2016, init="resnetv2_timm",
        departs="stride in the 3x3 of a bottleneck; the first activation after the stem's pooling; a 1x1 as classifier",
    )
    for depth in (50, 101, 152)
} | {
    name: Variant(resnet_v2, {"depth": depth} | IN_PAPER, paper=PAPER, year=2016, init="he_fan_out")
    for name, depth in (("resnetv2_152_paper", 152), ("resnetv2_200", 200))
} | {
    f"resnetv2_{depth}": Variant(
        resnet_v2_cifar, {"depth": depth, "block": block}, side=32, classes=10, paper=PAPER, year=2016,
        init="he_fan_out",
    )
    for depth, block in ((110, "basic"), (164, "bottleneck"), (1001, "bottleneck"))
}  # fmt: skip
