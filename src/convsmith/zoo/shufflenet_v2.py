"""ShuffleNet v2: Ma, Zhang, Zheng & Sun 2018, "ShuffleNet V2: Practical guidelines for efficient CNN architecture
design", Table 5 (arXiv:1807.11164).

`shufflenet_v2_x0_5` ... `shufflenet_v2_x2_0` are torchvision's, which are the paper's. It prints 41, 146, 299 and
591 M FLOPs, which is 0.8 to 1.3 % more than their multiply-adds in convolutions and the linear layer.
"""

from __future__ import annotations

from convsmith.spec import (
    HERE,
    Branches,
    Chain,
    Flatten,
    Identity,
    Linear,
    Node,
    Norm,
    Pool,
    PoolTo,
    Relu,
    Seq,
    Shuffle,
    SpecError,
    Split,
)
from convsmith.zoo.blocks import conv, conv_norm
from convsmith.zoo.variant import Variant

# Table 5: output channels of conv1, stages 2, 3, 4, conv5 at 0.5x, 1x, 1.5x, 2x; units of each stage
TABLE5 = {
    0.5: (24, 48, 96, 192, 1024),
    1.0: (24, 116, 232, 464, 1024),
    1.5: (24, 176, 352, 704, 1024),
    2.0: (24, 244, 488, 976, 2048),
}
REPEAT = (4, 8, 4)


def branch(width: int, stride: int = 1) -> Seq:
    """relu(1x1(dw3x3(relu(1x1(x))))), each with normalisation."""
    return Seq(
        conv(width), Norm(), Relu, conv(HERE, 3, stride, groups=HERE), Norm(), conv(width), Norm(), Relu
    )  # fmt: skip


def stage(width: int, depth: int) -> Seq:
    """shuffle(concat(f(x), g(x))) at stride 2 (Fig. 3d), then shuffle(concat(x1, f(x2))) of halves x1, x2 (Fig. 3c)."""
    half = width // 2
    left = Seq(conv(HERE, 3, 2, groups=HERE), Norm(), conv(half), Norm(), Relu)
    down = Chain(Branches(branch1=left, branch2=branch(half, 2)), Seq(shuffle=Shuffle(2)))
    keep = Chain(Split(branch1=Identity, branch2=branch(half)), Seq(shuffle=Shuffle(2)))
    return Seq(down, *[keep] * (depth - 1))


def shufflenet_v2(
    classes: int = 1000, scale: float = 1.0, channels: tuple[int, ...] | None = None,
    depth: tuple[int, ...] = REPEAT,
) -> Node:  # fmt: skip
    """A column of Table 5, or other `channels` in its order; `depth` is the units of stages 2, 3 and 4."""
    if channels is None and scale not in TABLE5:
        raise SpecError(f"shufflenet_v2: scale is one of {', '.join(map(str, TABLE5))}, got {scale!r}; give channels")
    first, *widths, last = TABLE5[scale] if channels is None else channels
    if len(widths) != 3 or len(depth) != 3 or any(width % 2 for width in widths):
        raise SpecError(f"shufflenet_v2: wants 5 channels, of which 3 even, and 3 depths, got {channels}, {depth}")
    stages = {f"stage{i}": stage(width, n) for i, (width, n) in enumerate(zip(widths, depth, strict=True), 2)}
    return Seq(
        conv1=conv_norm(first, 3, 2), maxpool=Pool(3, 2, 1), **stages, conv5=conv_norm(last),
        globalpool=PoolTo(1), flatten=Flatten, fc=Linear(classes),
    )  # fmt: skip


PAPER = "Ma et al. 2018, ShuffleNet V2: Practical guidelines for efficient CNN architecture design (arXiv:1807.11164)"

VARIANTS = {
    f"shufflenet_v2_x{str(scale).replace('.', '_')}": Variant(
        shufflenet_v2, {"scale": scale}, provenance="torchvision", paper=PAPER, year=2018,
        weights=f"ShuffleNet_V2_X{str(scale).replace('.', '_')}_Weights",
    )
    for scale in TABLE5
}  # fmt: skip
