"""CIFAR-10 as arrays, from a zip of class folders: cifar10/{train,test}/<class>/*.jpg."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convsmith.data import Data, ImageSet, Preprocess
from convsmith.data.preprocess import statistics

ZIP = Path(__file__).parents[2] / "shared/data/cifar10.zip"
"""Where the data are expected; another place is given with --data."""


class Cifar(NamedTuple):
    """Images uint8 (N, 3, 32, 32) and labels int64 (N,) of 50,000 for training and 10,000 to test."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]


def cifar(path: Path, work: Path) -> Cifar:
    """Decoded once, then read from a file in `work`. Exits with a sentence where there are no data."""
    kept = work / "cifar10.npz"
    if not kept.exists():
        if not path.exists():
            sys.exit(f"no CIFAR-10 at {path}: say --data ZIP (cifar10/train/<class>/*.jpg, cifar10/test/<class>/*.jpg)")
        work.mkdir(parents=True, exist_ok=True)
        part = work / "part.npz"
        np.savez(part, **_decoded(path))
        part.replace(kept)
    with np.load(kept) as found:
        arrays = [torch.from_numpy(found[name]) for name in Cifar._fields[:4]]
        return Cifar(*arrays, classes=tuple(found["classes"].tolist()))


def _decoded(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        classes = sorted({name.split("/")[2] for name in names})
        found: dict[str, np.ndarray] = {"classes": np.array(classes)}
        for split in ("train", "test"):
            own = [name for name in names if name.split("/")[1] == split]
            images = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in own]
            found[split] = np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))
            found[f"{split}_labels"] = np.array([classes.index(name.split("/")[2]) for name in own])
    return found


def as_data(found: Cifar) -> Data:
    """For `train`: all 50,000 to learn from; the 10,000, after each epoch, for the curve alone: nothing is chosen by
    them."""
    train = ImageSet(found.train, found.train_labels, tuple(f"train/{i}" for i in range(len(found.train))))
    test = ImageSet(found.test, found.test_labels, tuple(f"test/{i}" for i in range(len(found.test))))
    preprocess = Preprocess(found.train.shape[-1], *statistics(found.train))
    print_of = hashlib.sha256(found.train.numpy().tobytes() + found.test.numpy().tobytes()).hexdigest()
    return Data("cifar10", train, test, test, found.classes, preprocess, True, (), print_of)
