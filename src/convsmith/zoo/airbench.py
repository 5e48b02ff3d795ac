"""Airbench: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", sections 3.1 to 3.3 (arXiv:2404.00498).

`airbench94`, `airbench95` and `airbench96` are the nets of the paper's three records, named after the accuracy they
reach with its trainings of 9.9, 15 and 37 epochs. A 2x2 convolution without padding, meant to begin as a whitening of
the training images' patches and to be kept so, gives 31x31 maps; three groups halve them to 15, 7 and 3. `width`
multiplies the maps of all groups: airbench94 with 0.5 has a quarter of the multiply-adds.

They begin with torch's weights, but each 3x3 convolution hands through as many maps as it can (section 3.3, "partial
identity initialization"). Whitening is no matter of structure: the recipe `fast` does it (convsmith/train/whiten.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from convsmith.spec import Conv, Flatten, Gelu, Linear, Node, Norm, Pool, PoolTo, Residual, Seq, SpecError, Times
from convsmith.zoo.blocks import conv
from convsmith.zoo.variant import Variant

# the authors' code: maps of the three groups, convolutions in each
NETS = {
    "airbench94": ((64, 256, 256), 2),
    "airbench95": ((128, 384, 384), 2),
    "airbench96": ((128, 384, 512), 3),
}

PATCH = 2
"""Side of the first layer's patches; it has two filters, one the other's negative, for each of their 3 · 2 · 2 axes."""


def norm() -> Norm:
    """Statistics forget fast: 0.4 of them are the last batch's."""
    return Norm(1e-12, 0.4)


def group(maps: int, depth: int) -> Node:
    """gelu(norm(pool(conv(x)))), then gelu(norm(conv(x))); of three convolutions, the last two are a residual."""
    start = {"conv1": conv(maps, 3), "pool": Pool(2), "norm1": norm(), "act1": Gelu}
    second = {"conv2": conv(maps, 3), "norm2": norm(), "act2": Gelu}
    if depth == 2:
        return Seq(**start, **second)
    return Seq(**start, rest=Residual(Seq(**second, conv3=conv(maps, 3), norm3=norm()), after=Gelu))


def airbench(
    classes: int = 10, maps: Sequence[int] = NETS["airbench94"][0], depth: int = 2, width: float = 1.0,
    scale: float = 1 / 9,
) -> Node:  # fmt: skip
    """Whitening, groups of `maps` times `width`, the largest of each map, a linear layer whose outputs times `scale`.

    The paper pools 3x3 of what are 3x3 maps; here all of a map, whatever the images' side.
    """
    if depth not in (2, 3) or not width > 0 or not scale > 0:
        raise SpecError(f"airbench: depth must be 2 or 3, width and scale above 0, got {depth!r}, {width!r}, {scale!r}")
    groups = {f"group{i + 1}": group(max(1, round(width * each)), depth) for i, each in enumerate(maps)}
    return Seq(
        whiten=Conv(2 * 3 * PATCH * PATCH, PATCH, pad=0), act=Gelu, **groups,
        pool=PoolTo(1, "max"), flatten=Flatten, fc=Linear(classes, bias=False), scale=Times(scale),
    )  # fmt: skip


VARIANTS = {
    name: Variant(
        airbench, {"maps": maps, "depth": depth}, side=32, classes=10, init="airbench",
        paper="Jordan 2024, 94% on CIFAR-10 in 3.29 seconds on a single GPU (arXiv:2404.00498)", year=2024,
        departs="the scales of normalisations are learned, where the authors' stay 1",
    )
    for name, (maps, depth) in NETS.items()
}  # fmt: skip
