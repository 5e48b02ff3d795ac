"""The border to torch."""

from convsmith.nn.align import align
from convsmith.nn.build import build, module_of
from convsmith.nn.importer import from_onnx, from_torch
from convsmith.nn.init import INITS, initialise
from convsmith.nn.measure import Measured, measure
from convsmith.nn.modules import Net
from convsmith.nn.rewrite import Features, convolutional, cut, drop_aux, fold, replace_head, unfoldable
from convsmith.nn.weights import Origin, adapt_channels, fill, load, read_weights

__all__ = [
    "INITS",
    "Features",
    "Measured",
    "Net",
    "Origin",
    "adapt_channels",
    "align",
    "build",
    "convolutional",
    "cut",
    "drop_aux",
    "fill",
    "fold",
    "from_onnx",
    "from_torch",
    "initialise",
    "load",
    "measure",
    "module_of",
    "read_weights",
    "replace_head",
    "unfoldable",
]
