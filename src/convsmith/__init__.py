"""convsmith: describe, cost, train, search and ship convolutional image classifiers.

`import convsmith` needs the standard library alone; torch is imported when a name that needs it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convsmith._api import cost, names, receptive_field, sheet, spec, trace
from convsmith.spec.errors import ConvsmithError

if TYPE_CHECKING:
    from convsmith.nn import build, from_torch

__version__ = "0.1.0"

__all__ = ["ConvsmithError", "build", "cost", "from_torch", "names", "receptive_field", "sheet", "spec", "trace"]


def __getattr__(name: str) -> Any:
    if name in ("build", "from_torch"):
        from convsmith import nn

        return getattr(nn, name)
    raise AttributeError(f"module 'convsmith' has no attribute {name!r}")
