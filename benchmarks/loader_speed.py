"""How fast do augmented training batches come, beside torchvision's v2 transforms in a DataLoader with two workers?

Photographs: 500x375 JPEGs to 224x224, a random-resized crop (8 to 100 % of the area) and a mirror, in batches of 64.
Theirs is the training preset of torchvision's classification reference: v2 on PIL images, to normalised float32. Ours
ends in the same, normalised by the code that training uses; from the files, and from a packed file of 256x256. A second
pair of rows stops at uint8, as ours hands batches over before a step normalises them on its device.

CIFAR size: 32x32 colour images in memory, a shift by up to 4 pixels and a mirror, in batches of 500, beside the same
(RandomCrop with padding 4) image by image. Both end in uint8: what follows is not the loader's.

A process each, in turn; every figure is an epoch after one that is not counted. Ours with glibc kept from returning
memory, as in training.
"""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from timing import table

PHOTOGRAPHS = Path(__file__).parents[2] / "shared" / "data" / "imagenet_sample.zip"
COUNT, SMALL, ROUNDS, EPOCHS = 512, 10_000, 3, 3
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AREA = (0.08, 1.0)


def photographs(folder: Path) -> str:
    """Class folders of 500x375 JPEGs, quality 90; from the sample if it is there, else from noise, blurred."""
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    there = PHOTOGRAPHS.is_file()
    for number, image in zip(range(COUNT), sample() if there else noise(), strict=False):
        image.convert("RGB").resize((500, 375), Image.Resampling.BICUBIC).save(
            folder / "ab"[number % 2] / f"{number:04d}.jpg", quality=90
        )
    size = statistics.mean(file.stat().st_size for file in folder.glob("*/*.jpg"))
    origin = "photographs (ImageNet sample)" if there else "blurred noise, as the sample is not there"
    return f"{COUNT} {origin}, {size / 1e3:.0f} kB each in the mean"


def sample() -> Iterable[Image.Image]:
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        for name in archive.namelist():
            if name.endswith(".JPEG"):
                yield Image.open(io.BytesIO(archive.read(name)))


def noise() -> Iterable[Image.Image]:
    draws = np.random.default_rng(0)
    while True:
        yield Image.fromarray(draws.integers(0, 256, (94, 125, 3), dtype=np.uint8))


class Files(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Images of a folder as PIL's, transformed."""

    def __init__(self, folder: Path, transform: Callable[[Any], Any]) -> None:
        self.files, self.transform = sorted(folder.glob("*/*.jpg")), transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> Any:
        with self.files[i].open("rb") as handle:
            return self.transform(Image.open(handle).convert("RGB"))


class Pixels(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Images in memory as PIL's, transformed: as torchvision's CIFAR10 has them."""

    def __init__(self, pixels: Any, transform: Callable[[Any], Any]) -> None:
        self.pixels, self.transform = pixels, transform

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, i: int) -> Any:
        return self.transform(Image.fromarray(self.pixels[i]))


def theirs(what: str, folder: Path) -> Callable[[int], int]:
    """An epoch of torchvision's."""
    from torchvision.transforms import v2

    if what == "small":
        crop = [v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), v2.PILToTensor()]
        data: Any = Pixels(small(), v2.Compose(crop))
        batch = 500
    else:
        crop = [v2.RandomResizedCrop(224, scale=AREA, antialias=True), v2.RandomHorizontalFlip(), v2.PILToTensor()]
        if what == "normalised":
            crop += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        data, batch = Files(folder / "images", v2.Compose([*crop, v2.ToPureTensor()])), 64
    torch.set_num_threads(1)
    loader = torch.utils.data.DataLoader(data, batch, shuffle=True, num_workers=2, persistent_workers=True)

    def epoch(number: int) -> int:
        return sum(len(images) for images in loader)

    return epoch


def ours(what: str, folder: Path) -> Callable[[int], int]:
    """An epoch of a feed."""
    from convsmith.data import Augment, ImageSet, Preprocess, load, open_source
    from convsmith.data.feed import Feed, Memory
    from convsmith.data.streaming import Streamed
    from convsmith.train.machine import keep_memory

    keep_memory()
    source, _, end = what.partition(" ")
    preprocess = Preprocess(224, MEAN, STD)
    augment, batch = Augment(area=AREA, side=224, flip=True), 64
    if source == "small":
        pixels = torch.from_numpy(small()).permute(0, 3, 1, 2).contiguous()
        labels = torch.zeros(len(pixels), dtype=torch.int64)
        feed: Feed = Memory(ImageSet(pixels, labels, ("",) * len(pixels)), Augment(shift=4, flip=True))
        batch = 500
    elif source == "packed":
        torch.set_num_threads(1)  # what is left to do beside the threads that crop or decode
        feed = Memory(load(folder / "images.packed").train, augment, threads=2, depth=2)
    else:
        torch.set_num_threads(1)
        files = open_source(folder / "images")
        feed = Streamed(files, files.splits["all"], "ab", preprocess=preprocess, augment=augment, threads=2, depth=2)

    def epoch(number: int) -> int:
        done = 0
        for made in feed.batches(feed.order(0, number).split(batch), seed=0, epoch=number):
            done += len(preprocess.normalise(made.images) if end == "normalised" else made.images)
        return done

    return epoch


def small() -> Any:
    return np.random.default_rng(0).integers(0, 256, (SMALL, 32, 32, 3), dtype=np.uint8)


TASKS = {
    "photographs to normalised float32": ("normalised", {"files": "files normalised", "packed": "packed normalised"}),
    "photographs to uint8": ("uint8", {"files": "files", "packed": "packed"}),
    "CIFAR size": ("small", {"memory": "small"}),
}


def measure(side: str, what: str, folder: Path) -> None:
    """In a process of its own: images a second of each epoch."""
    epoch = (theirs if side == "torchvision" else ours)(what, folder)
    epoch(0)
    found = []
    for number in range(1, EPOCHS + 1):
        start = time.perf_counter()
        count = epoch(number)
        found.append(count / (time.perf_counter() - start))
    print(json.dumps(found))


def rate(side: str, what: str, folder: Path) -> float:
    words = [sys.executable, __file__, side, what, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return statistics.median(json.loads(done.stdout))


def main() -> None:
    """A table for each task."""
    from convsmith.data.packing import pack

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(photographs(folder / "images") + f"; {ROUNDS} rounds in turn, the median of {EPOCHS} epochs in each.")
        pack(folder / "images", folder / "images.packed", side=256, fractions=(0.98, 0.01, 0.01))
        for title, (peer, feeds) in TASKS.items():
            names = {"torchvision v2, 2 workers": ("torchvision", peer)}
            names |= {f"convsmith, from {source}": ("convsmith", what) for source, what in feeds.items()}
            rates: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(ROUNDS):
                for name_, (side, what) in names.items():
                    rates[name_].append(rate(side, what, folder))
            first = next(iter(rates.values()))
            lines = []
            for name_, found in rates.items():
                ratio = statistics.median(own / their for own, their in zip(found, first, strict=True))
                spread = f"{min(found):,.0f}-{max(found):,.0f}"
                lines.append((name_, f"{statistics.median(found):,.0f}", spread, f"{ratio:.1f}×"))
            print(f"\n**{title}**\n")
            print(table(("loader", "images/s, median", "min-max", "to torchvision"), lines))


if __name__ == "__main__":
    if len(sys.argv) == 4:
        measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    else:
        main()
