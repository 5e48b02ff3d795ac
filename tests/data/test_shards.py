"""Tar shards: every sample once an epoch, resumable, the same for every reader; clear words for what is broken."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convsmith.data import Augment, Preprocess, load
from convsmith.data import shards as module
from convsmith.data.feed import Memory
from convsmith.data.sharding import write_shards
from convsmith.data.shards import INDEX, Shards, expand, scan
from convsmith.spec.errors import DataError, MissingExtra

PREPROCESS = Preprocess(8, (0.4,), (0.2,))


def tar(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


def jpg(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def digits(tmp_path: Path) -> str:
    """The digits' training images in shards of 100."""
    tars = write_shards("digits", tmp_path / "shards", 100)
    return str(tmp_path / "shards" / f"train-{{000000..{len(tars['train']) - 1:06d}}}.tar")


def feed(pattern: str, **options: Any) -> Shards:
    return Shards(pattern, preprocess=PREPROCESS, **{"augment": Augment(shift=1), "window": 150, **options})


def images(shards: Shards, size: int = 64, skip: int = 0) -> torch.Tensor:
    index = shards.order(0, 3).split(size)[skip:]
    return torch.cat([batch.images for batch in shards.batches(index, seed=0, epoch=3)])


def test_braces_expand() -> None:
    assert expand("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert expand("{0..1}/{1..2}.tar") == ["0/1.tar", "0/2.tar", "1/1.tar", "1/2.tar"]
    assert expand("plain.tar") == ["plain.tar"]
    with pytest.raises(DataError, match=r"^\{3\.\.1\} in 'a\{3\.\.1\}' must count upwards"):
        expand("a{3..1}")


def test_shards_hold_the_training_images(digits: str) -> None:
    data, shards = load("digits"), feed(digits, augment=Augment())
    assert shards.classes == data.classes
    assert len(shards) == len(data.train)
    (batch,) = shards.batches([torch.arange(len(shards))], seed=0, epoch=0)
    ours = sorted(zip(batch.labels.tolist(), batch.images.flatten(1).tolist(), strict=True))
    assert ours == sorted(zip(data.train.labels.tolist(), data.train.images.flatten(1).tolist(), strict=True))


def test_an_epoch_has_every_sample_once_and_few_shards_at_a_time(digits: str) -> None:
    shards = feed(digits)
    orders = [shards.order(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order.tolist()) == list(range(len(shards))) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 4
    assert torch.equal(shards.order(0, 1), orders[1])
    for window in orders[0].split(150):
        assert len(set((window // 100).tolist())) <= 3


def test_a_feed_goes_on_at_any_batch_without_decoding_what_it_skips(
    digits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, shards = images(feed(digits)), feed(digits)
    read: list[int] = []
    one = shards._one
    monkeypatch.setattr(shards, "_one", lambda number: read.append(number) or one(number))
    assert torch.equal(images(shards, skip=17), whole[17 * 64 :])
    assert sorted(read) == sorted(shards.order(0, 3)[17 * 64 :].tolist())


def test_every_part_of_a_batch_is_the_same_alone(digits: str) -> None:
    index, shards = feed(digits).order(0, 3)[:64], feed(digits)
    (whole,) = shards.batches([index], seed=0, epoch=3)
    for size in (2, 3, 4):
        parts = torch.tensor_split(index, size)
        found = [next(feed(digits, threads=size).batches([part], seed=0, epoch=3)).images for part in parts]
        assert torch.equal(torch.cat(found), whole.images)


def test_without_an_index_the_shards_are_read_through(digits: str) -> None:
    wanted = images(feed(digits))
    (Path(digits).parent / INDEX).unlink()
    shards = feed(digits)
    assert torch.equal(images(shards), wanted)
    assert shards.classes == tuple("0123456789")


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("indexed", [False, True])
def test_shards_by_url(digits: str, tmp_path: Path, cached: bool, indexed: bool) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    root = f"/{tmp_path.name}-{cached}-{indexed}"
    for file in Path(digits).parent.glob("train-*"):
        memory.pipe(f"{root}/{file.name}", file.read_bytes())
    if indexed:
        memory.pipe(f"{root}/{INDEX}", (Path(digits).parent / INDEX).read_bytes())
    pattern = f"memory:/{root}/{Path(digits).name}"
    wanted = images(feed(digits))
    shards = feed(pattern, cache=tmp_path / "cache" if cached else None, threads=3)
    shards._local.most = 2  # less than it needs: fetched again and again, and still right
    assert torch.equal(images(shards), wanted)
    memory.rm(root, recursive=True)
    if cached:
        assert len(list((tmp_path / "cache").iterdir())) == len(expand(digits))
        assert torch.equal(images(shards), wanted)
    else:
        with pytest.raises(DataError, match=r"^cannot read shard 'memory://.*': it is not there; check the pattern"):
            images(shards)
        held = shards._local._folder
        assert held is not None
        assert len(list(held.iterdir())) <= 2


def test_a_url_without_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(module, "import_module", absent)
    with pytest.raises(MissingExtra, match=r"needs fsspec: pip install 'convsmith\[shards\]'$"):
        feed("memory://nowhere/a.tar")


def test_an_unknown_protocol() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(DataError, match=r"^cannot open 'nosuch://a/index.json'"):
        feed("nosuch://a/b.tar")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"a.jpg": jpg(0), "a.cls": b"0", "b.jpg": jpg(1)},
            r"^samples without label \(.cls\) in shard '.*': 'b'; write",
        ),
        (
            {"a.jpg": jpg(0), "a.cls": b"0", "b.cls": b"1"},
            r"^samples without image in shard '.*': 'b'; write it again$",
        ),
        ({"notes.txt": b"hi"}, r"^shard '.*x.tar' has no samples \(NAME.jpg and NAME.cls\); leave it out$"),
        ({"a.jpg": jpg(0), "a.png": jpg(0), "a.cls": b"0"}, r"^shard '.*' has two images called 'a'; rename one$"),
    ],
)
def test_samples_that_are_not_whole(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    with pytest.raises(DataError, match=said):
        feed(str(tar(tmp_path / "x.tar", files)))


def test_a_label_outside_the_class_map(tmp_path: Path) -> None:
    path = tar(tmp_path / "x.tar", {"a.jpg": jpg(0), "a.cls": b"cat", "b.jpg": jpg(1), "b.cls": b"1"})
    assert feed(str(path), classes=("dog", "cat")).labels.tolist() == [1, 1]
    with pytest.raises(
        DataError, match=r"^'b.jpg' in '.*x.tar' has the label '1', which is not in the class map \('cat'\)"
    ):
        feed(str(path), classes=("cat",))


@pytest.mark.parametrize("keep", [0, 700, 1024, -10240])
def test_broken_shards(tmp_path: Path, keep: int) -> None:
    path = tar(
        tmp_path / "x.tar",
        {f"{i}.{kind}": jpg(i) if kind == "jpg" else b"0" for i in range(9) for kind in ("jpg", "cls")},
    )
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        DataError, match=r"^(shard '.*x.tar' is broken \(.*\); fetch or write it again|samples without)"
    ):
        scan(str(path), path)


def test_missing_and_changed_shards(digits: str) -> None:
    shards = feed(digits)
    first = Path(expand(digits)[0])
    first.write_bytes(first.read_bytes() + bytes(512))
    with pytest.raises(
        DataError, match=r"^shard '.*train-000000.tar' has changed since it was indexed; index it anew$"
    ):
        images(shards)
    first.unlink()
    with pytest.raises(DataError, match=r"^cannot read shard '.*train-000000.tar': it is not there; check the pattern"):
        images(shards)


def test_writing_refuses_what_it_must(tmp_path: Path, plant: Any) -> None:
    with pytest.raises(DataError, match=r"^a shard must hold at least 1 image, got 0$"):
        write_shards("digits", tmp_path / "a", 0)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_text("")
    with pytest.raises(DataError, match=r"b already holds something: choose another --out$"):
        write_shards("digits", tmp_path / "b", 10)
    with pytest.raises(DataError, match=r"^the window must hold at least 1 image, got 0$"):
        feed("x.tar", window=0)


def test_files_go_in_as_they_are(plant: Any, tmp_path: Path) -> None:
    root = plant({"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 1, "test/a": 1, "test/b": 1})
    tars = write_shards(root, tmp_path / "out", 4)
    assert {split: len(paths) for split, paths in tars.items()} == {"train": 2, "val": 1, "test": 1}
    found = set()
    for path in tars["train"]:
        with tarfile.open(path) as held:
            found |= {held.extractfile(m).read() for m in held if m.name.endswith(".png")}  # type: ignore[union-attr]
    assert found == {file.read_bytes() for file in (root / "train").rglob("*.png")}
    again = write_shards(root, tmp_path / "again", 4)
    assert [p.read_bytes() for p in tars["train"]] == [p.read_bytes() for p in again["train"]]


def test_shards_are_memory_bit_for_bit(digits: str) -> None:
    data, shards = load("digits"), feed(digits, augment=Augment())
    (batch,) = shards.batches([torch.arange(20)], seed=0, epoch=0)
    rows = [next(i for i in range(len(data.train)) if torch.equal(data.train.images[i], one)) for one in batch.images]
    (wanted,) = Memory(data.train, Augment()).batches([torch.tensor(rows)], seed=0, epoch=0)
    assert torch.equal(wanted.images, batch.images)


def test_a_single_shard_is_shuffled_anew_each_epoch(digits: str) -> None:
    shards = feed(expand(digits)[0])
    orders = {tuple(shards.order(seed, epoch).tolist()) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4
    assert all(sorted(order) == list(range(100)) for order in orders)
