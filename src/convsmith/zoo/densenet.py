"""DenseNet: Huang, Liu, van der Maaten & Weinberger 2017, "Densely connected convolutional networks", Tables 1 and 2
(arXiv:1608.06993).

`densenet121` ... `densenet201` are torchvision's, which are the paper's DenseNet-BC; `densenet161` (growth rate 48) is
from the paper's first versions. `densenet264` is Table 1's last column, which has 265 layers
by the count that gives the others their names. Dropout, none by default, follows a layer's
last convolution (torchvision).

`densenet40_k12` ... are Table 2's nets for 32-pixel images: depth L, growth rate k, `_bc` with bottlenecks (B) and
compression (C). They begin with 16 maps, BC with 2k. Dropout follows every convolution but the first (section 4.2).
"""

from __future__ import annotations

from convsmith.spec import (
    HERE,
    AvgPool,
    Branches,
    Dropout,
    Flatten,
    Identity,
    Linear,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Seq,
    SpecError,
)
from convsmith.zoo.blocks import conv
from convsmith.zoo.variant import Variant

# Table 1 (161: version 1): depth -> growth rate, layers in dense blocks 1 ... 4
TABLE1 = {
    121: (32, 6, 12, 24, 16),
    161: (48, 6, 12, 36, 24),
    169: (32, 6, 12, 32, 32),
    201: (32, 6, 12, 48, 32),
    264: (32, 6, 12, 64, 48),
}
# Table 2: depth L, growth rate k, BC
TABLE2 = ((40, 12, False), (100, 12, False), (100, 24, False), (100, 12, True), (250, 24, True), (190, 40, True))


def dense_layer(growth: int, neck: int = 4, *, drop: Node = Identity, drop1: Node = Identity) -> Node:
    """concat(x, conv3x3(relu(norm(conv1x1(relu(norm(x))))))), the 1x1 to `neck` * growth maps; without it if 0."""
    first = Seq(norm1=Norm(), relu1=Relu, conv1=conv(neck * growth if neck else growth, 1 if neck else 3))
    then = {"drop1": drop1, "norm2": Norm(), "relu2": Relu, "conv2": conv(growth, 3)} if neck else {}
    return Branches(Identity, Seq(**dict(first.children), **then, drop=drop))


def transition(compression: float, *, drop: Node = Identity) -> Node:
    """pool2x2(conv1x1(relu(norm(x)))), of which floor(compression * channels) maps remain."""
    return Seq(norm=Norm(), relu=Relu, conv=conv(HERE * compression), drop=drop, pool=AvgPool(2))


def dense(stem: Seq, layer: Node, between: Node, blocks: tuple[int, ...], classes: int) -> Node:
    """linear(mean(relu(norm(block(... between(block(stem(x)))))))): one layer and one transition, repeated."""
    parts = dict(stem.children)
    for i, depth in enumerate(blocks, 1):
        parts[f"denseblock{i}"] = Seq(**{f"denselayer{j + 1}": layer for j in range(depth)})
        if i < len(blocks):
            parts[f"transition{i}"] = between
    return Seq(
        features=Seq(**parts, norm5=Norm()), relu=Relu, avgpool=PoolTo(1), flatten=Flatten, classifier=Linear(classes)
    )


def densenet(
    classes: int = 1000, depth: int = 121, growth: int | None = None, neck: int = 4, compression: float = 0.5,
    rate: float = 0.0,
) -> Node:  # fmt: skip
    """A column of Table 1, if wanted with another growth rate; it begins with twice as many maps."""
    if depth not in TABLE1:
        raise SpecError(f"densenet: depth is one of {', '.join(map(str, TABLE1))}, got {depth!r}")
    own, *blocks = TABLE1[depth]
    maps, drop = own if growth is None else growth, Dropout(rate) if rate else Identity
    stem = Seq(conv0=conv(2 * maps, 7, 2), norm0=Norm(), relu0=Relu, pool0=Pool(3, 2, 1))
    return dense(stem, dense_layer(maps, neck, drop=drop), transition(_share(compression)), tuple(blocks), classes)


def densenet_cifar(
    classes: int = 10, depth: int = 40, growth: int = 12, neck: int = 0, compression: float = 1.0, rate: float = 0.0,
) -> Node:  # fmt: skip
    """Section 3's three equal blocks on 32-pixel images: DenseNet, or BC with neck=4 and compression=0.5."""
    each = 2 if neck else 1
    if depth < 4 + 3 * each or (depth - 4) % (3 * each):
        raise SpecError(f"densenet_cifar: depth is {3 * each}n + 4 {'with' if neck else 'without'} neck, got {depth}")
    drop = Dropout(rate) if rate else Identity
    stem = Seq(conv0=conv(2 * growth if neck and compression < 1 else 16, 3))
    layer = dense_layer(growth, neck, drop=drop, drop1=drop)
    blocks = (((depth - 4) // 3 // each),) * 3
    return dense(stem, layer, transition(_share(compression), drop=drop), blocks, classes)


def _share(compression: float) -> float:
    if not 0 < compression <= 1:
        raise SpecError(f"densenet: compression is above 0 and at most 1, got {compression!r}")
    return compression


PAPER = "Huang et al. 2017, Densely connected convolutional networks (arXiv:1608.06993)"
YEAR = 2016

VARIANTS = {
    f"densenet{depth}": Variant(
        densenet, {"depth": depth}, provenance="torchvision", paper=PAPER, year=YEAR, init="densenet",
        weights=f"DenseNet{depth}_Weights", departs="dropout, where it is asked for, after a layer's last convolution",
    )
    for depth in TABLE1 if depth != 264
} | {
    "densenet264": Variant(
        densenet, {"depth": 264}, paper=PAPER, year=YEAR, init="he_fan_in",
        remarks=("Table 1's column has 130 dense layers, which makes 265 layers by the count that gives 121 to 201.",),
    ),
} | {
    f"densenet{depth}_k{growth}{'_bc' if both else ''}": Variant(
        densenet_cifar,
        {"depth": depth, "growth": growth} | ({"neck": 4, "compression": 0.5} if both else {}),
        side=32, classes=10, paper=PAPER, year=YEAR, init="he_fan_in",
    )
    for depth, growth, both in TABLE2
}  # fmt: skip
