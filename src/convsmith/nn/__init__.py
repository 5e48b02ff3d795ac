"""The border to torch."""

from convsmith.nn.align import align
from convsmith.nn.build import build, module_of
from convsmith.nn.importer import from_torch
from convsmith.nn.init import INITS, initialise
from convsmith.nn.measure import Measured, measure
from convsmith.nn.modules import Net
from convsmith.nn.weights import Origin, adapt_channels, fill, load, read_weights

__all__ = [
    "INITS",
    "Measured",
    "Net",
    "Origin",
    "adapt_channels",
    "align",
    "build",
    "fill",
    "from_torch",
    "initialise",
    "load",
    "measure",
    "module_of",
    "read_weights",
]
