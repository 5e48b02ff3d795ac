"""Whole networks beside torchvision's and timm's are outside the fast layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

FAST = ("test_numbers.py", "test_variants.py")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark the comparisons of the later papers as slow."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name not in FAST:
            item.add_marker(pytest.mark.slow)
