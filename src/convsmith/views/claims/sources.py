"""Where claims stand: the course notes, and the papers as authors, year and arXiv number."""

from __future__ import annotations

import re

from convsmith.zoo import (
    alexnet,
    efficientnet,
    googlenet,
    lenet,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    resnet,
    resnext,
    squeezenet,
    vgg,
)


def _short(paper: str) -> str:
    """`"Lin, Chen & Yan 2013, Network in network (arXiv:1312.4400)" -> "Lin, Chen & Yan 2013 (arXiv:1312.4400)"`."""
    return re.sub(r"^(.*? \d{4}), .*?( \(arXiv:[\d.]+\))?$", r"\1\2", paper)


NOTES = "Course notes"
ALEXNET, EFFICIENTNET, GOOGLENET = map(_short, (alexnet.PAPER, efficientnet.PAPER, googlenet.PAPER))
LENET, MOBILENET, RESNET = map(_short, (lenet.PAPER, mobilenet_v1.PAPER, resnet.PAPER))
MNASNET, MOBILENET_V2 = map(_short, (mnasnet.PAPER, mobilenet_v2.PAPER))
RESNEXT, SQUEEZENET, VGG = map(_short, (resnext.PAPER, squeezenet.PAPER, vgg.PAPER))
