"""What compares the outputs of whole networks with torchvision's and timm's is outside the fast layer."""

from __future__ import annotations

import csv
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

FAST = ("test_matrix.py", "test_numbers.py", "test_variants.py")
"""Files that mark what is slow in them themselves."""


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark the comparisons of the later papers as slow."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name not in FAST:
            item.add_marker(pytest.mark.slow)


PUBLISHED = Path(__file__).parents[3] / "shared/data/published.csv"


@pytest.fixture(scope="session")
def published() -> list[dict[str, str]]:
    """Figures that others have counted and published, a row a network."""
    if not PUBLISHED.exists():
        pytest.skip("shared/data/published.csv is not beside this checkout")
    with PUBLISHED.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session", autouse=True)
def imported_libraries_are_no_garbage() -> Iterator[None]:
    """Python looks for garbage every so many objects, and hundreds of networks are very many: it need not look through
    torch and timm each time."""
    gc.freeze()
    yield
    gc.unfreeze()
