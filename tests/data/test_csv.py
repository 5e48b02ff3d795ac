"""Data sets as a CSV."""

from __future__ import annotations

import pytest

from convsmith.data import Example, load, open_source
from convsmith.spec.errors import DataError


@pytest.fixture
def write(plant):
    """`write(text)`: a CSV beside the folders a (4 images) and b (3)."""
    root = plant({"a": 4, "b": 3})

    def make(text, name="list.csv"):
        path = root / name
        path.write_bytes(text.encode("utf-8"))
        return path

    return make


def test_paths_labels_and_splits(write):
    text = "\ufeffPath, Label ,split\na/0.png,x,train\n\na/1.png,y,train\nb/0.png,x,validation\nb/1.png,y,VAL\n"
    source = open_source(write(text))
    assert source.splits == {
        "train": [Example("a/0.png", "x"), Example("a/1.png", "y")],
        "val": [Example("b/0.png", "x"), Example("b/1.png", "y")],
    }
    assert (source.name, source.flip) == ("list", None)
    assert source.look(source.splits["val"][0]) == ("RGB", (8, 8))
    assert source.read(source.splits["val"][0]).size == (8, 8)


def test_absolute_paths_and_no_splits(write):
    csv = write("path,label\n")
    csv.write_text(f"label,path,note\nx,{csv.parent / 'a/0.png'},hi\ny,b/0.png,\n")
    assert [e.label for e in open_source(csv).splits["all"]] == ["x", "y"]


def test_a_csv_trains(write):
    rows = [f"a/{i}.png,x" for i in range(4)] + [f"b/{i}.png,y" for i in range(3)]
    data = load(write("path,label\n" + "\n".join(reversed(rows))))
    assert sorted(data.train.names + data.val.names + data.test.names) == sorted(row.split(",")[0] for row in rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,class\na/0.png,x\n",
            "^'list.csv' has no column 'path', 'label', only 'file', 'class'; its first line must",
        ),
        (
            "path,klass\na/0.png,x\n",
            "^'list.csv' has no column 'label', only 'path', 'klass'; its first line must be path",
        ),
        (
            "",
            "^'list.csv' has no column 'path', 'label', only none; its first line must be path,label or path",
        ),
        ("path,label\n", r"^'list.csv' has a header and no rows; add one row per image$"),
        (
            "path,label\na/9.png,x\na/0.png,y\n",
            "^'list.csv' names files that are not there, seen from its folder: 'a/9.png'$",
        ),
        ("path,label\na/0.png,\n", r"^'list.csv' line 2: empty label; fill it in or delete the row$"),
        ("path,label\n,x\n", r"^'list.csv' line 2: empty path; fill it in or delete the row$"),
        ("path,label\na/0.png\n", r"^'list.csv' line 2: empty label; fill it in or delete the row$"),
        (
            "path,label,split\na/0.png,x,dev\n",
            "^'list.csv' line 2: unknown split 'dev'; use one of 'train', 'val', 'test'$",
        ),
        (
            "path,label,split\na/0.png,x,train\na/1.png,y,\n",
            "^'list.csv' gives a split for some rows and none for others;",
        ),
        ("path,label\na/0.png,x\na/1.png,x\n", r"^'list' has a single class, 'x'; a classifier needs two or more"),
    ],
)
def test_refusals(write, text, message):
    with pytest.raises(DataError, match=message):
        open_source(write(text))


def test_not_utf8(write):
    path = write("path,label\n")
    path.write_bytes(b"path,label\n\xff\xfe,x\n")
    with pytest.raises(DataError, match=r"^cannot read 'list.csv' as a UTF-8 CSV: "):
        open_source(path)
