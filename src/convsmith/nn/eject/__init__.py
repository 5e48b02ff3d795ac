"""A network as one plain PyTorch file that needs torch alone."""

from convsmith.nn.eject.source import eject

__all__ = ["eject"]
