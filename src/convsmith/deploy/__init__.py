"""Out of the workbench: one ONNX file with its preprocessing and class names inside, held to the network it came from.

`export_onnx` writes it, `OnnxClassifier` uses it without the network's code.
"""

from __future__ import annotations

from convsmith.deploy.classifier import OnnxClassifier
from convsmith.deploy.export import Exported, export_onnx
from convsmith.deploy.label import Label

__all__ = ["Exported", "Label", "OnnxClassifier", "export_onnx"]
