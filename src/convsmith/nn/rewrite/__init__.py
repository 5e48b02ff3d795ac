"""Rewrites: a built network becomes another one, description and tensors together. The given one stays as it is."""

from convsmith.nn.rewrite.convolutional import convolutional
from convsmith.nn.rewrite.cut import Features, cut
from convsmith.nn.rewrite.fold import fold, unfoldable
from convsmith.nn.rewrite.head import drop_aux, replace_head

__all__ = ["Features", "convolutional", "cut", "drop_aux", "fold", "replace_head", "unfoldable"]
