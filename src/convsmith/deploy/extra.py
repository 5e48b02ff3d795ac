"""The optional packages behind exporting, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from convsmith.spec.errors import MissingExtra


def need(package: str) -> Any:
    """The module `package` (onnx, onnxscript, onnxruntime). Raises MissingExtra with the pip command."""
    try:
        return import_module(package)
    except ImportError:
        raise MissingExtra("exporting needs ONNX: pip install 'convsmith[export]'") from None


def reason(error: BaseException) -> str:
    """The first line of what lies at the root of an error of another library, without a full stop."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(". ")
