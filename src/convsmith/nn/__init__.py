"""The border to torch."""

from convsmith.nn.align import align
from convsmith.nn.build import build, module_of
from convsmith.nn.importer import from_onnx, from_torch
from convsmith.nn.init import INITS, initialise
from convsmith.nn.measure import Measured, measure
from convsmith.nn.modules import Net
from convsmith.nn.rewrite import Features, convolutional, cut, drop_aux, fold, replace_head, unfoldable
from convsmith.nn.two_devices import TwoDevices, crossings, two_devices
from convsmith.nn.weights import Origin, adapt_channels, fill, load, read_weights

__all__ = [
    "INITS",
    "Features",
    "Measured",
    "Net",
    "Origin",
    "TwoDevices",
    "adapt_channels",
    "align",
    "build",
    "convolutional",
    "crossings",
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
    "two_devices",
    "unfoldable",
]
