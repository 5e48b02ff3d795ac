"""ZFNet: Zeiler & Fergus 2013, "Visualizing and understanding convolutional networks", Fig. 3 (arXiv:1311.2901).

AlexNet in one tower, with 7x7 stride 2 and 5x5 stride 2 in the first two layers where AlexNet has 11x11 stride 4 and
5x5 stride 1. `zfnet` is Fig. 3's net, 62,357,608 parameters; its map sizes (110, 55, 26, 13, 6) need one pixel of
padding in the first layer and pooling that reaches over the edge. "Contrast normalised across feature maps" has no
constants in the paper: they are AlexNet's. `zfnet_notes` has 512, 1024 and 512 maps in layers 3 to 5, as the course
notes have it and the paper's section 5.1 tries; 107,627,624 parameters.
"""

from __future__ import annotations

from convsmith.spec import Conv, Dropout, Flatten, Identity, Linear, LocalNorm, Node, Pool, Relu, Seq
from convsmith.zoo.variant import Variant

# Fig. 3, layers 1 to 5: filters, filter size, stride
FIG3 = ((96, 7, 2), (256, 5, 2), (384, 3, 1), (384, 3, 1), (256, 3, 1))


def zfnet(
    classes: int = 1000, maps: tuple[int, int, int] | None = None, norm: bool = True, hidden: int = 4096,
    rate: float = 0.5,
) -> Node:  # fmt: skip
    """Fig. 3; `maps` are layers 3 to 5's where they should not be the paper's, `hidden` layers 6 and 7's."""
    (filters1, kernel1, stride1), (filters2, kernel2, stride2), *rest = FIG3
    (third, kernel, _), (fourth, _, _), (fifth, _, _) = rest
    third, fourth, fifth = maps or (third, fourth, fifth)
    local, pool = LocalNorm() if norm else Identity, Pool(3, 2, ceil=True)
    return Seq(
        conv1=Conv(filters1, kernel1, stride1, pad=1), relu1=Relu, pool1=pool, norm1=local,
        conv2=Conv(filters2, kernel2, stride2, pad=0), relu2=Relu, pool2=pool, norm2=local,
        conv3=Conv(third, kernel), relu3=Relu,
        conv4=Conv(fourth, kernel), relu4=Relu,
        conv5=Conv(fifth, kernel), relu5=Relu, pool5=pool, flatten=Flatten,
        fc6=Linear(hidden), relu6=Relu, drop6=Dropout(rate),
        fc7=Linear(hidden), relu7=Relu, drop7=Dropout(rate), fc8=Linear(classes),
    )  # fmt: skip


PAPER = "Zeiler & Fergus 2013, Visualizing and understanding convolutional networks (arXiv:1311.2901)"

VARIANTS = {
    "zfnet": Variant(
        zfnet, paper=PAPER, year=2013, init="vgg_2014",
        departs="normalisation has AlexNet's constants, as the paper gives none",
    ),
    "zfnet_notes": Variant(
        zfnet, {"maps": (512, 1024, 512)}, paper=PAPER, year=2013, init="vgg_2014",
        departs="512, 1024 and 512 maps in layers 3 to 5, as the course notes have it",
    ),
}  # fmt: skip
