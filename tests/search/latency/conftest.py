"""Fewer members are looked at than in earnest: all that is tested shows on them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def few() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convsmith.search.latency.cover.POOL", 400)
        yield
