"""Feeds: what a batch holds depends on its indices, the seed and the epoch, and on nothing else."""

from __future__ import annotations

import gc
import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convsmith.data import Augment, ImageSet, Preprocess, load, open_source
from convsmith.data.ahead import ahead
from convsmith.data.augment.boxes import crops
from convsmith.data.cut import cuts, left_over
from convsmith.data.decode import reduction
from convsmith.data.feed import Feed, Memory, permutation
from convsmith.data.streaming import Streamed
from convsmith.data.workers import workers
from convsmith.spec.errors import DataError

PREPROCESS = Preprocess(24, (0.5,) * 3, (0.5,) * 3)
AUGMENTS = {
    "nothing": Augment(),
    "shift": Augment(shift=3, flip=True, reflect=True, alternate=True),
    "window": Augment(window=20, flip=True),
    "window and more": Augment(window=20, side=12, flip=True, shift=2, cutout=3, jitter=0.3),
    "area": Augment(area=(0.1, 1.0), side=16, flip=True, shift=1, erase=0.5),
}


def pixels(count: int = 40, channels: int = 3, side: int = 24) -> ImageSet:
    values = np.random.default_rng(3).integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    return ImageSet(torch.from_numpy(values), torch.arange(count) % 7, tuple(str(i) for i in range(count)))


def nhwc(images: ImageSet) -> ImageSet:
    return ImageSet(images.images.contiguous(memory_format=torch.channels_last), images.labels, images.names)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """JPEGs of many shapes in two classes, and one PNG."""
    draws = np.random.default_rng(0)
    for i in range(18):
        folder = tmp_path / "photos" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(draws.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        size = (int(draws.integers(30, 200)), int(draws.integers(30, 200)))
        small.resize(size, Image.Resampling.BICUBIC).save(folder / (f"{i:02d}.png" if i == 4 else f"{i:02d}.jpg"))
    return tmp_path / "photos"


def streamed(root: Path, augment: Augment, **options: Any) -> Streamed:
    source = open_source(root)
    return Streamed(source, source.splits["all"], ("a", "b"), preprocess=PREPROCESS, augment=augment, **options)


def batches(feed: Feed, size: int = 7, epoch: int = 2) -> list[torch.Tensor]:
    return [batch.images for batch in feed.batches(feed.order(1, epoch).split(size), seed=1, epoch=epoch)]


def test_an_epochs_order_is_a_permutation_of_its_own() -> None:
    feed = Memory(pixels(), Augment())
    orders = [feed.order(seed, epoch).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(40)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert feed.order(0, 1).tolist() == orders[1] == permutation(40, 0, 1).tolist()


@pytest.mark.parametrize("name", AUGMENTS)
@pytest.mark.parametrize("arranged", [lambda images: images, nhwc], ids=["planes", "channels side by side"])
def test_memory_is_augment_on_the_picked_images(name: str, arranged: Any) -> None:
    images, augment = pixels(), AUGMENTS[name]
    feed = Memory(arranged(images), augment)
    index = feed.order(1, 2).split(16)
    for rows, batch in zip(index, feed.batches(index, seed=1, epoch=2), strict=True):
        wanted = augment(images.images[rows], rows, seed=1, epoch=2)
        away = (batch.images.int() - wanted.int()).abs()
        assert away.max() <= (1 if name == "area" else 0)
        assert torch.equal(batch.labels, images.labels[rows])
        assert torch.equal(batch.index, rows)


@pytest.mark.parametrize("name", AUGMENTS)
def test_neither_batch_nor_threads_nor_depth_can_be_seen(name: str) -> None:
    images, augment = nhwc(pixels()), AUGMENTS[name]
    wanted = torch.cat(batches(Memory(images, augment, threads=1)))
    for threads, depth, size in ((1, 2, 7), (2, 0, 5), (5, 3, 11), (2, 1, 40)):
        assert torch.equal(torch.cat(batches(Memory(images, augment, threads=threads, depth=depth), size)), wanted)


@pytest.mark.parametrize("name", AUGMENTS)
def test_one_two_and_five_workers_stream_the_same_bits(photos: Path, name: str) -> None:
    wanted = torch.cat(batches(streamed(photos, AUGMENTS[name], threads=1, depth=0)))
    for threads, depth, size in ((1, 2, 7), (2, 0, 5), (5, 3, 18), (5, 1, 1)):
        found = torch.cat(batches(streamed(photos, AUGMENTS[name], threads=threads, depth=depth), size))
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("name", ["nothing", "shift", "window", "window and more"])
def test_without_areas_streaming_is_memory_bit_for_bit(photos: Path, name: str) -> None:
    data = load(photos, side=24)
    source = open_source(photos)
    by_name = {example.name: example for example in source.splits["all"]}
    examples = [by_name[name] for name in data.train.names]
    stream = Streamed(source, examples, data.classes, preprocess=data.preprocess, augment=AUGMENTS[name])
    for one, other in zip(batches(stream), batches(Memory(data.train, AUGMENTS[name])), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(stream.labels, data.train.labels)


def test_areas_are_cut_out_of_the_original(photos: Path) -> None:
    augment = Augment(area=(0.2, 0.9), side=16, flip=True)
    feed = streamed(photos, augment)
    found = next(feed.batches([torch.arange(18)], seed=4, epoch=1)).images
    drawn = cuts(augment, torch.arange(18), seed=4, epoch=1)
    shares = []
    for i, example in enumerate(open_source(photos).splits["all"]):
        image = open_source(photos).read(example).convert("RGB")
        left, top, width, height = drawn.within(i, *image.size)
        assert min(left, top) >= 0
        assert left + width <= image.width
        assert top + height <= image.height
        shares.append(width * height / (image.width * image.height))
        box = (left, top, left + width, top + height)
        wanted = np.array(image.resize((16, 16), Image.Resampling.BILINEAR, box=box))
        wanted = wanted[:, ::-1] if drawn.mirror[i] else wanted
        away = np.abs(found[i].permute(1, 2, 0).numpy().astype(int) - wanted.astype(int))
        assert away.mean() < (1.5 if reduction(width, height, 16) == 1 else 8)  # blobs of full colour: the worst case
    assert min(shares) < 0.4
    assert max(shares) > 0.6


def test_boxes_of_square_images_are_those_of_augment() -> None:
    augment = Augment(area=(0.08, 1.0))
    drawn = cuts(augment, torch.arange(300), seed=0, epoch=0)
    square = drawn.square(224)
    u = drawn.uniforms
    assert square == [
        tuple(box) for box in crops(u[:, 46:66], u[:, 7:9], 224, area=(0.08, 1.0), aspect=(3 / 4, 4 / 3)).tolist()
    ]
    same = [drawn.within(i, 224, 224) == square[i] for i in range(300)]
    assert sum(same) > 290  # the other is worked out in another precision


def test_the_last_resort_of_a_long_image_is_its_middle() -> None:
    drawn = cuts(Augment(area=(1.0, 1.0 - 1e-9)[::-1]), torch.arange(3), seed=0, epoch=0)
    assert drawn.within(0, 900, 90) == (390, 0, 120, 90)
    assert drawn.within(1, 60, 900) == (0, 410, 60, 80)


def test_what_is_left_to_augment() -> None:
    assert left_over(Augment(window=9, side=4, flip=True, alternate=True, aspect=(0.5, 2.0))) is None
    assert left_over(Augment(area=(0.5, 1.0), flip=True, cutout=3)) == Augment(cutout=3)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_that_went_bad_stops_the_feed_with_its_name(photos: Path, threads: int) -> None:
    feed = streamed(photos, AUGMENTS["area"], threads=threads, depth=2)
    (photos / "a" / "08.jpg").write_bytes((photos / "a" / "08.jpg").read_bytes()[:300])
    with pytest.raises(DataError, match=r"^cannot read 'a/08.jpg': "):
        list(feed.batches(torch.arange(18).split(4), seed=0, epoch=0))
    assert quiet()
    (photos / "a" / "08.jpg").unlink()
    with pytest.raises(DataError, match=r"^cannot read 'a/08.jpg': .*No such file"):
        list(feed.batches(torch.arange(18).split(4), seed=0, epoch=0))
    assert quiet()


def quiet() -> bool:
    """No thread of ours is left."""
    gc.collect()
    return not [thread for thread in threading.enumerate() if thread.name.startswith("convsmith-")]


@pytest.mark.parametrize("name", ["shift", "area"])
def test_a_feed_that_is_left_early_leaves_no_thread(photos: Path, name: str) -> None:
    feeds = [streamed(photos, AUGMENTS[name], threads=2, depth=3), Memory(pixels(), AUGMENTS[name], depth=3)]
    for feed in feeds:
        made = feed.batches(feed.order(0, 0).split(2), seed=0, epoch=0)
        next(made)
        made.close()
        assert quiet()


def test_a_label_outside_the_class_map(photos: Path) -> None:
    source = open_source(photos)
    with pytest.raises(DataError, match=r"^label 'b' of 'b/01.jpg' is not in the class map; remove that image$"):
        Streamed(source, source.splits["all"], ("a",), preprocess=PREPROCESS, augment=Augment())


def test_sources_of_pixels_stream_too() -> None:
    source, data = open_source("digits"), load("digits")
    by_name = {example.name: example for example in source.splits["all"]}
    examples = [by_name[name] for name in data.train.names[:50]]
    feed = Streamed(source, examples, data.classes, preprocess=data.preprocess, augment=Augment(shift=1))
    (batch,) = feed.batches([torch.arange(50)], seed=0, epoch=0)
    (wanted,) = Memory(data.train, Augment(shift=1)).batches([torch.arange(50)], seed=0, epoch=0)
    assert torch.equal(batch.images, wanted.images)


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    feed = Memory(pixels(5), Augment(flip=True))
    (batch,) = feed.batches(feed.order(0, 0).split(1000), seed=0, epoch=0)
    assert len(batch.images) == 5


def test_ahead_keeps_order_and_hands_on_errors() -> None:
    def items(stop: int) -> Any:
        yield from range(stop)
        raise ValueError("the end")

    for depth in (0, 1, 4):
        made = ahead(items(3), depth)
        assert [next(made) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="the end"):
            next(made)
    assert quiet()


def test_ahead_is_bounded_and_closes_its_source() -> None:
    made, closed = [], []

    def items() -> Any:
        try:
            for i in range(1000):
                made.append(i)
                yield i
        finally:
            closed.append(True)

    feed = ahead(items(), 2)
    assert [next(feed), next(feed)] == [0, 1]
    feed.close()
    assert len(made) <= 6
    assert closed == [True]
    assert quiet()


def test_workers_compute_with_one_thread_each_and_leave_ours_alone() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with workers(3) as pool:
            assert {pool.submit(torch.get_num_threads).result() for _ in range(9)} == {1}
            assert torch.get_num_threads() == 2
        assert quiet()
    finally:
        torch.set_num_threads(before)


def test_normalising_a_batch_is_the_formula_bit_for_bit() -> None:
    image = pixels(9).images
    made = Preprocess(24, (0.4851, 0.3, 0.1), (0.2293, 0.2, 0.7))
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (made.mean, made.std))
    wanted = (image.float() / 255 - mean) / std
    for arranged in (image, image.contiguous(memory_format=torch.channels_last), image[:, :, 2:9, 2:9], image[:0]):
        found = made.normalise(arranged)
        assert torch.equal(found, (arranged.float() / 255 - mean) / std)
        assert found.dtype == torch.float32
    assert torch.equal(made.normalise(image.contiguous(memory_format=torch.channels_last)), wanted)


def test_reading_is_by_bytes(photos: Path) -> None:
    source = open_source(photos)
    example = source.splits["all"][0]
    data = source.raw(example)
    assert data is not None
    assert Image.open(io.BytesIO(data)).size == source.look(example)[1]
