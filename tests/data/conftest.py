"""Small image folders, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Image.Image]
Plant = Callable[..., Path]


def noise(seed: int, *, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Image.Image:
    """Random pixels, width x height, different for every seed."""
    width, height = size
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


@pytest.fixture
def draw() -> Draw:
    """`draw(seed, size=(w, h), mode=...)`."""
    return noise


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """`plant({"train/a": 3, ...})`: that many PNG files per folder, all different; keywords go to `noise`."""

    def make(folders: Mapping[str, int], *, root: str = "set", **drawing: object) -> Path:
        base = tmp_path / root
        seed = 0
        for folder, count in folders.items():
            (base / folder).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                noise(seed, **drawing).save(base / folder / f"{i}.png")  # type: ignore[arg-type]
                seed += 1
        return base

    return make
