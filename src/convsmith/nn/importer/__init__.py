"""Any `nn.Module` as a graph: exported by torch, read operation by operation."""

from convsmith.nn.importer.importer import from_torch

__all__ = ["from_torch"]
