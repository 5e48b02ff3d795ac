"""convsmith: describe, cost, train, search and ship convolutional image classifiers.

`import convsmith` needs the standard library alone; torch is imported when a name that needs it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convsmith._api import cost, names, receptive_field, spec, trace
from convsmith.spec.errors import ConvsmithError

if TYPE_CHECKING:
    from convsmith.nn import build

__version__ = "0.1.0"

__all__ = ["ConvsmithError", "build", "cost", "names", "receptive_field", "spec", "trace"]


def __getattr__(name: str) -> Any:
    if name == "build":
        from convsmith.nn import build

        return build
    raise AttributeError(f"module 'convsmith' has no attribute {name!r}")
