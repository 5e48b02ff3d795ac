"""Images for prediction: the same decoding and the same resize as in training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from convsmith.data.finding import natural
from convsmith.data.layout import hidden, is_image
from convsmith.data.pixels import picture, to_tensor
from convsmith.data.preprocess import Preprocess
from convsmith.spec.errors import DataError


def images_from(paths: Iterable[str | Path], preprocess: Preprocess) -> tuple[torch.Tensor, list[str]]:
    """Files, and the images directly inside folders, as uint8 (N, C, side, side) with their paths.

    Raises DataError naming a path that is missing, a folder without images or a file that can't be read.
    """
    files = [file for path in paths for file in _files(Path(path))]
    if not files:
        raise DataError("no images given; name image files or folders of them")
    names = [str(file) for file in files]
    return torch.cat([_one(file, preprocess) for file in files]), names


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]  # named by hand, so whatever its suffix says
    if not path.is_dir():
        raise DataError(f"nothing at {str(path)!r}; give an image file or a folder of images")
    found = [file for file in path.iterdir() if file.is_file() and is_image(file.name) and not hidden(file.name)]
    if not found:
        raise DataError(f"no images directly inside {str(path)!r}; folders below it are not searched")
    return sorted(found, key=lambda file: natural(file.name))


def _one(file: Path, preprocess: Preprocess) -> torch.Tensor:
    image = picture(str(file), lambda: file.open("rb"))
    return preprocess.resize(to_tensor(str(file), image, preprocess.channels)[None])
