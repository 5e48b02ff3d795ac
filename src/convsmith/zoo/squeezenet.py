"""SqueezeNet: Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and < 0.5 MB model
size", Table 1 (arXiv:1602.07360).

`squeezenet1_0` is torchvision's and the paper's, 1,248,424 parameters; Table 1 prints a 224-pixel input, but its map
sizes (111, 55, 27, 13) are those of 227. `squeezenet1_1` is the authors' later release: 3x3 with 64 filters first and
pooling earlier, 1,235,496. `squeezenet_bypass` has the simple bypass of Fig. 2: x is added where a fire module keeps
its channels, which is in fire3, 5, 7 and 9.
"""

from __future__ import annotations

from convsmith.spec import Branches, Chain, Conv, Dropout, Flatten, Node, Pool, PoolTo, Relu, Residual, Seq, SpecError
from convsmith.zoo.variant import Variant

# Table 1's fire modules: s1x1, e1x1, e3x3
TABLE1 = {
    "fire2": (16, 64, 64),
    "fire3": (16, 64, 64),
    "fire4": (32, 128, 128),
    "fire5": (32, 128, 128),
    "fire6": (48, 192, 192),
    "fire7": (48, 192, 192),
    "fire8": (64, 256, 256),
    "fire9": (64, 256, 256),
}
# version -> filters and kernel of conv1 (stride 2), the modules that a max pooling (3x3, stride 2) follows
VERSIONS = {"1_0": (96, 7, ("fire4", "fire8")), "1_1": (64, 3, ("fire3", "fire5"))}


def fire(s1: int, e1: int, e3: int) -> Node:
    """concat(relu(1x1(y)), relu(3x3(y))) of y = relu(1x1(x)): squeeze, then expand."""
    return Chain(
        Seq(squeeze=Conv(s1), squeeze_activation=Relu),
        Branches(
            Seq(expand1x1=Conv(e1), expand1x1_activation=Relu),
            Seq(expand3x3=Conv(e3, 3), expand3x3_activation=Relu),
        ),
    )


def squeezenet(
    classes: int = 1000, version: str = "1_0", bypass: bool = False, *, width: float = 1.0, ratio: float | None = None,
    rate: float = 0.5,
) -> Node:  # fmt: skip
    """Table 1. `width` scales everything before the last layer; `ratio` is section 5's squeeze ratio, s1x1 to
    e1x1 + e3x3, where it should not be the table's 0.125."""
    if version not in VERSIONS:
        raise SpecError(f"squeezenet: version is one of {', '.join(VERSIONS)}, got {version!r}")
    if not width > 0 or not (ratio is None or ratio > 0):
        raise SpecError(f"squeezenet: width and ratio must be above 0, got {width!r}, {ratio!r}")

    def wide(channels: float) -> int:
        return max(1, round(channels * width))

    filters, kernel, pooled = VERSIONS[version]
    pool = Pool(3, 2, ceil=True)
    layers: list[Node] = [Conv(wide(filters), kernel, 2, pad=0), Relu, pool]
    for name, (s1, e1, e3) in TABLE1.items():
        block = fire(wide(s1 if ratio is None else ratio * (e1 + e3)), wide(e1), wide(e3))
        layers.append(Residual(block) if bypass else block)
        if name in pooled:
            layers.append(pool)
    return Seq(features=Seq(*layers), classifier=Seq(Dropout(rate), Conv(classes), Relu, PoolTo(1)), flatten=Flatten)


PAPER = "Iandola et al. 2016, SqueezeNet: AlexNet-level accuracy with 50x fewer parameters (arXiv:1602.07360)"

VARIANTS = {
    f"squeezenet{version}": Variant(
        squeezenet, {"version": version}, provenance="torchvision", paper=PAPER, year=2016, init="squeezenet",
        weights=f"SqueezeNet{version}_Weights", departs=departs,
    )
    for version, departs in (
        ("1_0", "224 pixels, where the paper's map sizes are those of 227"),
        ("1_1", "3x3 with 64 filters first, pooling after fire3 and fire5 (the authors' release 1.1)"),
    )
} | {
    "squeezenet_bypass": Variant(
        squeezenet, {"bypass": True}, side=227, paper=PAPER, year=2016, init="he_fan_in",
        departs="initial weights are He's",
    ),
}  # fmt: skip
