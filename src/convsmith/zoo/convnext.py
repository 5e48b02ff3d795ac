"""ConvNeXt: Liu, Mao, Wu, Feichtenhofer, Darrell & Xie 2022, "A ConvNet for the 2020s", section 3 (arXiv:2201.03545).

`convnext_tiny` ... `convnext_large` are torchvision's, which are the paper's ConvNeXt-T, S, B and L; `convnext_xlarge`
is its XL, which was trained on ImageNet-22K first. A block is a ResNeXt block turned inside out: depthwise 7x7, then
1x1 to four times the channels and back, with one normalisation and one activation. The 1x1 are linear layers on images
with channels last, as in the authors' release. Each of the four stages but the first begins with a normalisation and a
2x2 convolution with stride 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from convsmith.spec import (
    HERE,
    IN,
    ChannelsFirst,
    ChannelsLast,
    Conv,
    Flatten,
    Gelu,
    LayerNorm,
    LayerScale,
    Linear,
    Node,
    PoolTo,
    Residual,
    Seq,
    SpecError,
)
from convsmith.zoo.variant import Variant

# Section 3: channels C and blocks B of each stage; Table 5's stochastic depth
SIZES = {
    "tiny": ((96, 192, 384, 768), (3, 3, 9, 3), 0.1),
    "small": ((96, 192, 384, 768), (3, 3, 27, 3), 0.4),
    "base": ((128, 256, 512, 1024), (3, 3, 27, 3), 0.5),
    "large": ((192, 384, 768, 1536), (3, 3, 27, 3), 0.5),
    "xlarge": ((256, 512, 1024, 2048), (3, 3, 27, 3), 0.2),
}
NORM = LayerNorm(1e-6)


def block(kernel: int = 7, expansion: int = 4, scale: float = 1e-6) -> Node:
    """scale * f(x), f = depthwise `kernel`, norm, 1x1 to `expansion` times the channels, GELU, 1x1 (Fig. 4)."""
    body = Seq(
        Conv(HERE, kernel, groups=HERE), ChannelsLast, NORM, Linear(HERE * expansion), Gelu, Linear(IN), ChannelsFirst
    )
    return Seq(block=body, layer_scale=LayerScale(scale))


def convnext(
    classes: int = 1000, widths: Sequence[int] = (96, 192, 384, 768), blocks: Sequence[int] = (3, 3, 9, 3), *,
    kernel: int = 7, expansion: int = 4, scale: float = 1e-6, drop_path: float = 0.1,
) -> Node:  # fmt: skip
    """4x4 with stride 4, stages of `blocks` blocks of `widths` channels, pooling, the linear layer.

    A block is dropped in training with a probability that rises linearly from 0 to `drop_path`; `scale` is where the
    layer scale starts.
    """
    if not widths or len(widths) != len(blocks) or min(blocks) < 1 or kernel % 2 == 0:
        raise SpecError(
            f"convnext: as many widths as blocks, one block or more each, and an odd kernel, got {widths!r}, "
            f"{blocks!r}, {kernel!r}"
        )
    features: list[Node] = [Seq(Conv(widths[0], 4, 4, pad=0), NORM)]
    body, done, last = block(kernel, expansion, scale), 0, max(1, sum(blocks) - 1)
    for width, many in zip(widths, blocks, strict=True):
        if done:
            features.append(Seq(NORM, Conv(width, 2, 2, pad=0)))
        drops = [drop_path * i / last for i in range(done, done + many)]
        features.append(Seq(*[Residual(body, drop=drop) for drop in drops]))
        done += many
    return Seq(features=Seq(*features), avgpool=PoolTo(1), classifier=Seq(NORM, Flatten, Linear(classes)))


PAPER = "Liu, Mao, Wu, Feichtenhofer, Darrell & Xie 2022, A ConvNet for the 2020s (arXiv:2201.03545)"
VARIANTS = {
    f"convnext_{name}": Variant(
        convnext, {"widths": widths, "blocks": blocks, "drop_path": drop_path},
        provenance="paper" if name == "xlarge" else "torchvision", paper=PAPER, year=2022, init="convnext",
        weights=None if name == "xlarge" else f"ConvNeXt_{name.capitalize()}_Weights",
    )
    for name, (widths, blocks, drop_path) in SIZES.items()
}  # fmt: skip
