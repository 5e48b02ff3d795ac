"""Folders, archives and their layout."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from convsmith.data import Example, Source, load, open_source
from convsmith.data import tree as tree_module
from convsmith.data.finding import named, natural, plural
from convsmith.spec.errors import DataError, UnknownName

THREE = {"train/a": 4, "train/b": 3, "val/a": 1, "val/b": 1, "test/a": 1, "test/b": 1}


def packed(folder: Path, kind: str, *, inside: bool) -> Path:
    """The folder as an archive of this suffix, wrapped in a folder of its own name or not."""
    base = folder.parent / ("wrapped" if inside else "bare")
    where = {"root_dir": folder.parent, "base_dir": folder.name} if inside else {"root_dir": folder}
    form = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar", ".tgz": "gztar"}[kind]
    made = Path(shutil.make_archive(str(base), form, **where))  # type: ignore[arg-type]
    return made.rename(base.with_name(base.name + kind))


def shape(source: Source) -> Mapping[str, Sequence[str]]:
    return {split: [example.label for example in examples] for split, examples in source.splits.items()}


def messages(source: Source) -> list[str]:
    return [finding.message for finding in source.findings]


def test_class_folders_without_splits(plant):
    source = open_source(plant({"b": 2, "a": 1}))
    assert (source.name, source.flip) == ("set", None)
    assert source.splits == {"all": [Example("a/0.png", "a"), Example("b/0.png", "b"), Example("b/1.png", "b")]}
    assert source.findings == ()
    assert source.look(source.splits["all"][0]) == ("RGB", (8, 8))


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_splits_on_top_and_their_synonyms(plant, val):
    source = open_source(plant({"train/a": 2, "train/b": 1, f"{val}/a": 1, f"{val}/b": 1}))
    assert shape(source) == {"train": ["a", "a", "b"], "val": ["a", "b"]}


def test_a_train_of_loose_images_is_a_class(plant):
    assert shape(open_source(plant({"train": 1, "plane": 1}))) == {"all": ["plane", "train"]}


def test_classes_and_files_in_natural_order(plant):
    source = open_source(plant({"10": 11, "2": 1, "1": 1}))
    assert shape(source)["all"] == ["1", "2"] + ["10"] * 11
    assert [e.name for e in source.splits["all"]][-2:] == ["10/9.png", "10/10.png"]
    assert sorted(["b", "A", "a10", "a9", "²", "3"], key=natural) == ["3", "A", "a9", "a10", "b", "²"]


def test_folders_inside_a_class_belong_to_it(plant):
    assert shape(open_source(plant({"cat/2021": 1, "cat/2022": 1, "dog": 1}))) == {"all": ["cat", "cat", "dog"]}


def test_links_are_followed_once(plant):
    root = plant({"a": 1, "b": 1})
    (root / "a" / "loop").symlink_to(root, target_is_directory=True)
    assert shape(open_source(root)) == {"all": ["a", "b"]}


def test_hidden_names_and_clutter_are_reported_and_make_no_class(plant):
    root = plant({"a": 1, "b": 1, ".ipynb_checkpoints": 1, "__MACOSX/a": 1})
    (root / "a" / "Thumbs.db").write_bytes(b"x")
    (root / "a" / "notes.txt").write_text("x")
    source = open_source(root)
    assert shape(source) == {"all": ["a", "b"]}
    assert messages(source) == [
        "3 hidden names ignored: '.ipynb_checkpoints', '__MACOSX', 'a/Thumbs.db'",
        "1 file without an image's suffix, ignored: 'a/notes.txt'",
    ]


def test_empty_class_folders_and_stray_images_are_named(plant, draw):
    root = plant({"train/a": 1, "train/b": 1, "train/c": 0, "extra": 1})
    draw(99).save(root / "loose.png")
    source = open_source(root)
    assert messages(source) == [
        "2 images outside any class folder, ignored: 'extra/0.png', 'loose.png'",
        "1 class folder without images, ignored: 'train/c'",
    ]
    assert {finding.level for finding in source.findings} == {"warning"}


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("kind", [".zip", ".tar", ".tar.gz", ".tgz"])
def test_archives_read_as_the_folder_does(plant, kind, inside):
    folder = plant(THREE)
    archive = packed(folder, kind, inside=inside)
    plain, source = open_source(folder), open_source(archive)
    assert shape(source) == shape(plain)
    assert source.name == ("wrapped" if inside else "bare")
    assert messages(source) == (["1 folder around everything, looked through: 'set'"] if inside else [])
    for split, examples in plain.splits.items():
        for ours, theirs in zip(examples, source.splits[split], strict=True):
            assert theirs.name == ("set/" if inside else "") + ours.name
            assert plain.read(ours).tobytes() == source.read(theirs).tobytes()
            assert plain.look(ours) == source.look(theirs)


def test_an_unsplit_archive_in_a_wrapping_folder(plant):
    assert shape(open_source(packed(plant({"a": 1, "b": 1}), ".zip", inside=True))) == {"all": ["a", "b"]}


def test_several_folders_around_everything_are_looked_through(plant, tmp_path):
    folder = plant({"images/cat": 2, "images/dog": 1})
    (folder / "README.md").write_text("about")
    source = open_source(folder)
    assert shape(source) == {"all": ["cat", "cat", "dog"]}
    assert "1 folder around everything, looked through: 'images'" in messages(source)
    assert shape(open_source(packed(folder, ".zip", inside=True))) == {"all": ["cat", "cat", "dog"]}


def test_a_class_with_folders_of_its_own_beside_an_empty_class_is_no_wrapper(plant):
    folder = plant({"cat/2021": 1, "cat/2022": 1})
    (folder / "dog").mkdir()
    with pytest.raises(DataError, match="single class, 'cat'"):
        open_source(folder)


def test_members_that_leave_the_archive_and_links_are_left_out(plant, tmp_path):
    folder = plant({"a": 1, "b": 1})
    path = tmp_path / "odd.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(folder, arcname=".")
        data = (folder / "a" / "0.png").read_bytes()
        for name in ("../c/0.png", "/d/0.png"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("e/0.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert shape(open_source(path)) == {"all": ["a", "b"]}


def test_backslashes_of_windows_tools(plant, tmp_path):
    data = (plant({"a": 1}) / "a" / "0.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        for name in ("a\\0.png", "b\\0.png"):
            archive.writestr(name, data)
    assert shape(open_source(tmp_path / "w.zip")) == {"all": ["a", "b"]}


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
def test_a_damaged_archive(tmp_path, kind):
    path = tmp_path / f"bad.{kind}"
    path.write_bytes(b"not an archive at all" * 100)
    word = "zip" if kind == "zip" else "tar"
    with pytest.raises(DataError, match=rf"^cannot read 'bad.{kind}': not a {word} archive, or a damaged one \("):
        open_source(path)


def test_a_truncated_tar_gz(plant):
    path = packed(plant(THREE), ".tgz", inside=False)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"^cannot read 'bare.tgz': not a tar archive, or a damaged one"):
        open_source(path)


@pytest.mark.parametrize("kept", [5120 - 512, 5120, 5120 + 100])
def test_a_tar_cut_off_between_members(tmp_path, kept):
    path = tmp_path / "cut.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("a/0.png", "b/0.png", "b/1.png"):
            info = tarfile.TarInfo(name)
            info.size = 2048
            tar.addfile(info, io.BytesIO(bytes(range(256)) * 8))
    path.write_bytes(path.read_bytes()[:kept])  # each member takes 2560 bytes
    with pytest.raises(DataError, match=r"^cannot read 'cut.tar': not a tar archive, or a damaged one \("):
        open_source(path)


def test_a_damaged_member_is_named(plant):
    path = packed(plant({"a": 3, "b": 3}), ".zip", inside=False)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("a/0.png").header_offset
    raw = bytearray(path.read_bytes())
    raw[start + 60 : start + 80] = bytes(20)
    path.write_bytes(bytes(raw))
    with pytest.raises(DataError, match=r"^1 unreadable image: 'a/0.png'"):
        load(path)


@pytest.mark.parametrize("kind", [".zip", ".tar"])
def test_members_too_large_to_be_images(plant, monkeypatch, kind):
    monkeypatch.setattr(tree_module, "MEMBER_LIMIT", 16)
    path = packed(plant({"a": 1, "b": 1}), kind, inside=False)
    with pytest.raises(DataError, match=rf"^'bare{kind}': member 'a/0.png' claims 0 MiB, more than the 0 MiB that one"):
        open_source(path)


def test_a_gzip_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(tree_module, "STREAM_LIMIT", 1 << 20)
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb") as packed_file:
        packed_file.write(bytes(5 << 20))
    with pytest.raises(DataError, match=r"^'bomb.tar.gz' unpacks to over 1 MiB, which images never do"):
        open_source(path)


def test_an_encrypted_zip(tmp_path):
    path = tmp_path / "secret.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/0.png", b"x")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(DataError, match=r"^'secret.zip' is encrypted \('a/0.png'\); unpack it and give the folder$"):
        open_source(path)


def test_nothing_there():
    with pytest.raises(UnknownName, match=r"^no folder and no data set named 'cifar11'; did you mean 'cifar10'"):
        open_source("cifar11")
    with pytest.raises(UnknownName, match=r"^no folder and no data set named 'zzz'; known: digits, mnist, "):
        open_source("zzz")
    with pytest.raises(
        DataError, match=r"^nothing at './nowhere'; give a folder, an archive, a .csv or a built-in name$"
    ):
        open_source("./nowhere")
    with pytest.raises(DataError, match=r"^nothing at 'digits.'; did you mean 'digits'"):
        open_source("digits.")
    with pytest.raises(DataError, match=r"^nothing at 'digits'; did you mean 'digits'"):  # a Path is never a name
        open_source(Path("digits"))


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "x.pdf").write_bytes(b"%PDF")
    with pytest.raises(
        DataError, match=r"^'x.pdf' is no source of images; give a folder, a .zip, .tar or .tar.gz, or a"
    ):
        open_source(tmp_path / "x.pdf")


def test_folders_that_cannot_be_classes(plant, draw, tmp_path):
    with pytest.raises(
        DataError, match=r"^'set' has a single class, 'cat'; a classifier needs two or more class folders$"
    ):
        open_source(plant({"cat": 2}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"^'empty' has no images; give a folder with one folder of images per class$"):
        open_source(tmp_path / "empty")
    (tmp_path / "flat").mkdir()
    draw(0).save(tmp_path / "flat" / "1.png")
    with pytest.raises(
        DataError, match=r"^'flat' has 1 image but no class folders; put the images of each class in their"
    ):
        open_source(tmp_path / "flat")


def test_a_folder_that_may_not_be_read(plant, monkeypatch):
    root = plant({"a": 1, "b": 1})

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(
        DataError, match=r"^cannot list the folder '.*set': Permission denied; allow reading it or remove it$"
    ):
        open_source(root)


def test_words_of_messages():
    assert named("abc") == "'a', 'b', 'c'"
    assert named(str(i) for i in range(12)).endswith("'9' and 2 more")
    assert (plural(1, "class"), plural(2, "class"), plural(1200, "image")) == ("1 class", "2 classes", "1,200 images")
