"""Weights from anywhere: read, brought under the network's own names, and every tensor finds its place, or an error.

    w.safetensors, w.pth         a file; one that is not found here is looked for in the folder CONVSMITH_WEIGHTS
    torchvision:IMAGENET1K_V1    an entry of torchvision's enum for the network
    timm:resnet50.a1_in1k        a model of timm with its published weights (extra `timm`)
    package:DISTRIBUTION         the weights file inside an installed Python package; none of its code runs

`@sha256:HEX` after any of them demands that file's hash. docs/weights.md has the rules.
"""

from convsmith.nn.weights.adapt import adapt_channels
from convsmith.nn.weights.filling import fill
from convsmith.nn.weights.loading import load
from convsmith.nn.weights.order import by_order
from convsmith.nn.weights.origin import Origin, Weights
from convsmith.nn.weights.sources import read_weights
from convsmith.nn.weights.structure import by_structure

__all__ = ["Origin", "Weights", "adapt_channels", "by_order", "by_structure", "fill", "load", "read_weights"]
