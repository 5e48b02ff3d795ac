"""The border to torch."""

from convsmith.nn.build import build, module_of
from convsmith.nn.init import INITS, initialise
from convsmith.nn.measure import Measured, measure
from convsmith.nn.modules import Net
from convsmith.nn.weights import adapt_channels, fill, read_weights

__all__ = [
    "INITS",
    "Measured",
    "Net",
    "adapt_channels",
    "build",
    "fill",
    "initialise",
    "measure",
    "module_of",
    "read_weights",
]
