"""Tar shards: every sample once an epoch, resumable, the same for every reader; clear words for what is broken."""

from __future__ import annotations

import http.server
import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from convsmith.data import Augment, Preprocess, load
from convsmith.data import fetched as module
from convsmith.data.early import fetched_early, first_uses
from convsmith.data.feed import Memory
from convsmith.data.fetched import Fetched
from convsmith.data.sharding import write_shards
from convsmith.data.shards import Shards
from convsmith.data.tars import INDEX, Shard, Tars, expand, look, pattern_of, scan
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


def settled() -> None:
    """Once nothing is fetched any more."""
    for thread in threading.enumerate():
        if thread.name == "convsmith-shards":
            thread.join(20)


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
    one = shards.tars.read
    monkeypatch.setattr(type(shards.tars), "read", lambda _, number: read.append(number) or one(number))
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
    shards.tars.files.most = 2  # less than it needs: fetched again and again, and still right
    assert torch.equal(images(shards), wanted)
    memory.rm(root, recursive=True)
    if cached:
        assert len(list((tmp_path / "cache").iterdir())) == len(expand(digits))
        assert torch.equal(images(shards), wanted)
    else:
        with pytest.raises(DataError, match=r"^cannot read shard 'memory://.*': it is not there; check the pattern"):
            images(shards)
        settled()
        held = shards.tars.files.folder
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


def test_patterns_of_places() -> None:
    places = [f"a/val-{number:06d}.tar" for number in range(8, 13)]
    assert pattern_of(places) == "a/val-{000008..000012}.tar"
    assert expand(pattern_of(places)) == places
    assert pattern_of(places[:1]) == places[0]


def test_an_index_that_is_broken_or_of_other_classes(digits: str) -> None:
    index = Path(digits).parent / INDEX
    known = json.loads(index.read_text())
    with pytest.raises(
        DataError, match=r"has the classes '0', .* and not 'a', 'b'; write all shards with one class map"
    ):
        feed(digits, classes=("a", "b"))
    for key, value in (("shards", {"train-000000.tar": {"size": 1}}), ("shards", []), ("classes", None)):
        index.write_text(json.dumps(known | {key: value}))
        with pytest.raises(
            DataError, match=r"^the index.json beside '.*' is broken; write the shards again or remove it$"
        ):
            feed(digits)
    index.write_text("[]")  # somebody else's
    assert feed(digits).classes == tuple("0123456789")


def test_a_pattern_without_any_file(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"^no shard at '.*\{0\.\.2\}.tar': none of its 3 files is there; check the pattern$"
    ):
        look(f"{tmp_path}/a-{{0..2}}.tar")
    tar(tmp_path / "a-0.tar", {"a.jpg": jpg(0), "a.cls": b"0"})
    with pytest.raises(DataError, match=r"^cannot read shard '.*a-1.tar': it is not there; check the pattern"):
        look(f"{tmp_path}/a-{{0..2}}.tar")


def test_some_of_the_shards(digits: str) -> None:
    tars = look(digits)
    few = tars.among(range(3, 5))
    assert len(few) == 200
    assert few.read(100) == tars.read(400)
    assert torch.equal(few.labels, tars.labels[300:500])
    assert len(tars.among(range(12, 13))) == 59


class Handler(http.server.SimpleHTTPRequestHandler):
    """Says nothing, and of tars as much as it is told to."""

    half = status = 0

    def log_message(self, *words: Any) -> None:
        pass

    def do_GET(self) -> None:
        if not self.path.endswith(".tar") or not (self.half or self.status):
            super().do_GET()
        elif self.status:
            self.send_error(self.status)
        else:
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])


@pytest.fixture
def served(digits: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Handler]]]:
    """The shards' pattern on a server of this machine, and its behaviour."""
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(module, "PAUSES", (0.0,))

    class Own(Handler):
        pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Own, directory=str(Path(digits).parent)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{Path(digits).name}", Own
    server.shutdown()
    thread.join()
    server.server_close()


def test_shards_over_http(digits: str, served: tuple[str, type[Handler]], tmp_path: Path) -> None:
    pattern, _ = served
    wanted = images(feed(digits))
    assert torch.equal(images(feed(pattern, threads=2)), wanted)
    (Path(digits).parent / INDEX).unlink()
    assert torch.equal(images(feed(pattern, cache=tmp_path / "cache")), wanted)
    assert len(list((tmp_path / "cache").iterdir())) == len(expand(digits))


@pytest.mark.parametrize(
    ("half", "status", "said"),
    [
        (1, 0, "the connection broke off"),
        (0, 503, "the server answers 503 Service Unavailable"),
        (0, 404, "it is not there"),
        (0, 403, "the server answers 403 Forbidden"),
    ],
)
def test_a_server_that_fails(
    half: int, status: int, said: str, served: tuple[str, type[Handler]], tmp_path: Path
) -> None:
    pattern, own = served
    own.half, own.status = half, status
    shards = feed(pattern, cache=tmp_path / "cache")
    with pytest.raises(
        DataError, match=rf"^cannot read shard 'http://.*\.tar': {said}; check the pattern and the conn"
    ):
        images(shards)
    settled()
    assert not list((tmp_path / "cache").iterdir())  # nothing half fetched
    own.half = own.status = 0
    assert torch.equal(images(shards), images(feed(pattern)))


def test_a_server_that_has_gone(served: tuple[str, type[Handler]]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DataError, match=r"^cannot read shard 'http://127.0.0.1:\d+/index.json': .*; check the pattern"):
        feed(f"http://127.0.0.1:{port}/a.tar")


def test_a_cache_that_cannot_be_written(served: tuple[str, type[Handler]], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"^cannot keep shards in .*file.*: .*; choose another --shard-cache$"):
        images(feed(served[0], cache=tmp_path / "file"))


class Asked:
    """Instead of files: which were asked for."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self.news = threading.Condition()

    def path(self, place: str) -> Path:
        with self.news:
            self.places.append(place)
            self.news.notify()
        raise DataError("nobody is there")

    def are(self, places: tuple[str, ...]) -> bool:
        with self.news:
            return self.news.wait_for(lambda: tuple(self.places) == places, timeout=20)


def test_shards_are_fetched_a_window_before_they_are_wanted(digits: str) -> None:
    tars, asked = look(digits), Asked()
    urls = tuple(f"memory://{number}.tar" for number in range(len(tars.places)))
    remote = replace(tars, places=urls, files=asked)  # type: ignore[arg-type]
    index = torch.split(torch.tensor([5, 905, 17, 250, 1249, 255, 99]), 2)
    assert first_uses(remote, index) == [(0, urls[0]), (1, urls[9]), (3, urls[2]), (4, urls[12])]
    assert first_uses(tars, index) == []
    with fetched_early(remote, index, 1) as used:
        assert asked.are((urls[0],))
        used(1)
        assert asked.are((urls[0], urls[9]))
        used(2)
        used(3)
        assert asked.are((urls[0], urls[9], urls[2]))
    settled()
    assert asked.are((urls[0], urls[9], urls[2]))  # closed: the last one is left alone


@given(st.lists(st.integers(0, 29), max_size=40))
@settings(deadline=None)
def test_first_uses_are_those_of_a_plain_search(wanted: list[int]) -> None:
    places, sizes = ("memory://a", "memory://b", "memory://c"), (12, 1, 17)
    shards = tuple(Shard(0, ("x",) * size, ("0",) * size, (0,) * size, (0,) * size) for size in sizes)
    tars = Tars(places, shards, ("0",), torch.zeros(30, dtype=torch.int64), Fetched(None), None)
    owner = [place for place, size in zip(places, sizes, strict=True) for _ in range(size)]
    seen: dict[str, int] = {}
    for position, number in enumerate(wanted):
        seen.setdefault(owner[number], position)
    assert first_uses(tars, torch.split(torch.tensor(wanted, dtype=torch.int64), 7)) == [
        (at, p) for p, at in seen.items()
    ]
