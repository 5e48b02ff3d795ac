"""Any `nn.Module` or ONNX file as a graph: recorded as calls, read operation by operation."""

from convsmith.nn.importer.importer import from_torch
from convsmith.nn.importer.onnx_file import from_onnx

__all__ = ["from_onnx", "from_torch"]
