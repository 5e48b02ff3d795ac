"""AlexNet: Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks",
Fig. 2.

`alexnet_2012` is the paper's net of two towers, written as grouped convolutions (conv2, 4 and 5 see their own tower
only), with local response normalisation and overlapping pooling; 60,965,224 parameters. The paper prints a 224-pixel
input, which its own 55 x 55 maps contradict: it is 227. One departure: normalisation runs across both towers' maps.

`alexnet_single` is the single-tower table of the course notes: the same without groups and normalisation, 62,378,344.

`alexnet` is torchvision's: the one-tower net of Krizhevsky 2014 ("One weird trick", arXiv:1404.5997, footnote 1) with
64-192-384-256-256 maps, no normalisation, dropout before the linear layers; 61,100,840.
"""

from __future__ import annotations

from convsmith.spec import Conv, Dropout, Flatten, Identity, Linear, LocalNorm, Node, Pool, PoolTo, Relu, Seq
from convsmith.zoo.variant import Variant


def alexnet(classes: int = 1000, rate: float = 0.5) -> Node:
    """torchvision's form: numbered `features` and `classifier`."""
    return Seq(
        features=Seq(
            Conv(64, 11, 4, pad=2), Relu, Pool(3, 2),
            Conv(192, 5, pad=2), Relu, Pool(3, 2),
            Conv(384, 3), Relu,
            Conv(256, 3), Relu,
            Conv(256, 3), Relu, Pool(3, 2),
        ),
        avgpool=PoolTo(6), flatten=Flatten,
        classifier=Seq(Dropout(rate), Linear(4096), Relu, Dropout(rate), Linear(4096), Relu, Linear(classes)),
    )  # fmt: skip


def alexnet_2012(classes: int = 1000, towers: int = 2, norm: bool = True, rate: float = 0.5) -> Node:
    """Section 3.5: normalisation after conv1 and conv2, pooling after both and after conv5, dropout in fc6 and fc7."""
    local = LocalNorm() if norm else Identity
    return Seq(
        conv1=Conv(96, 11, 4, pad=0), relu1=Relu, norm1=local, pool1=Pool(3, 2),
        conv2=Conv(256, 5, groups=towers), relu2=Relu, norm2=local, pool2=Pool(3, 2),
        conv3=Conv(384, 3), relu3=Relu,
        conv4=Conv(384, 3, groups=towers), relu4=Relu,
        conv5=Conv(256, 3, groups=towers), relu5=Relu, pool5=Pool(3, 2), flatten=Flatten,
        fc6=Linear(4096), relu6=Relu, drop6=Dropout(rate),
        fc7=Linear(4096), relu7=Relu, drop7=Dropout(rate), fc8=Linear(classes),
    )  # fmt: skip


PAPER = "Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural networks"

VARIANTS = {
    "alexnet_2012": Variant(
        alexnet_2012, side=227, paper=PAPER, year=2012, init="alexnet_2012",
        departs="local response normalisation runs across both towers",
    ),
    "alexnet_single": Variant(
        alexnet_2012, {"towers": 1, "norm": False}, side=227, paper=PAPER, year=2012, init="alexnet_2012",
        departs="one tower without normalisation, as the course notes' table has it",
    ),
    "alexnet": Variant(
        alexnet, provenance="torchvision", paper="Krizhevsky 2014, One weird trick (arXiv:1404.5997)", year=2014,
        weights="AlexNet_Weights",
        departs="64-192-384-256-256 maps, no normalisation, dropout before fc6 and fc7 (torchvision's form)",
    ),
}  # fmt: skip
